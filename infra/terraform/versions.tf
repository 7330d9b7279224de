terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # With `tag_field_specification` of aws_flow_log, which it has since its releases
      # of late July 2026 (its pull request 48913); an older one refuses that block.
      version = "~> 6.0"
    }
  }
}
