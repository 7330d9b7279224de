"""What is suggested, written for AWS, Terraform, CloudFormation and Kubernetes."""
