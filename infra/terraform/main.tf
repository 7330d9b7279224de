# What flowlake reads, where it keeps its lake, and (roles.tf) who may do what.

data "aws_caller_identity" "here" {}
data "aws_partition" "here" {}
data "aws_region" "here" {}

locals {
  account   = data.aws_caller_identity.here.account_id
  partition = data.aws_partition.here.partition
  region    = data.aws_region.here.region
  log_arn   = "arn:${local.partition}:s3:::${var.log_bucket}"

  # Every field that flowlake has a column for, in the order of lake/schema.py.
  fields = [
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport",
    "protocol", "packets", "bytes", "start", "end", "action", "log-status", "vpc-id",
    "subnet-id", "instance-id", "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr",
    "region", "az-id", "sublocation-type", "sublocation-id", "pkt-src-aws-service",
    "pkt-dst-aws-service", "flow-direction", "traffic-path", "ecs-cluster-arn",
    "ecs-cluster-name", "ecs-container-instance-arn", "ecs-container-instance-id",
    "ecs-container-id", "ecs-second-container-id", "ecs-service-name",
    "ecs-task-definition-arn", "ecs-task-arn", "ecs-task-id", "reject-reason",
    "resource-id", "encryption-status", "instance-tag", "instance-tag-2",
    "interface-tag", "interface-tag-2", "asg-tag", "asg-tag-2", "interface-type",
    "next-hop-interface-id", "next-hop-subnet-id", "next-hop-az-id", "next-hop-vpc-id",
    "next-hop-interface-type",
  ]
}

# ------------------------------------------------------------------ the flow logs

resource "aws_flow_log" "vpc" {
  for_each = var.vpc_ids

  vpc_id                   = each.value
  traffic_type             = "ALL"
  log_destination_type     = "s3"
  log_destination          = local.log_arn
  max_aggregation_interval = 60
  log_format               = join(" ", [for field in local.fields : "$${${field}}"])
  tags                     = merge(var.tags, { Name = "${var.name}-${each.value}" })

  destination_options {
    file_format                = var.file_format
    hive_compatible_partitions = false
    per_hour_partition         = true
  }

  dynamic "tag_field_specification" {
    for_each = ["instance", "network-interface", "auto-scaling-group"]

    content {
      resource_type = tag_field_specification.value
      tag_keys      = ["Name", var.owner_tag]
    }
  }
}

# -------------------------------------------------- the queue that tells of objects

resource "aws_sqs_queue" "objects" {
  name                       = "${var.name}-objects"
  sqs_managed_sse_enabled    = true
  visibility_timeout_seconds = 300
  message_retention_seconds  = 1209600
  tags                       = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
  tags                      = var.tags
}

data "aws_iam_policy_document" "objects" {
  statement {
    sid       = "OnlyTheBucket"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.objects.arn]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [local.log_arn]
    }
  }

  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.objects.arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "objects" {
  queue_url = aws_sqs_queue.objects.url
  policy    = data.aws_iam_policy_document.objects.json
}

resource "aws_s3_bucket_notification" "logs" {
  count = var.notify ? 1 : 0

  bucket     = var.log_bucket
  depends_on = [aws_sqs_queue_policy.objects] # S3 asks at once whether it may send

  queue {
    queue_arn     = aws_sqs_queue.objects.arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = "AWSLogs/"
  }
}

# ---------------------------------------------------------------------- the lake

resource "aws_kms_key" "lake" {
  description         = "The lake of ${var.name}"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
  tags                = var.tags

  lifecycle {
    prevent_destroy = true
  }
}

data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:the account administers its key, and a key's policy names no other
  #checkov:skip=CKV_AWS_111:the same
  #checkov:skip=CKV_AWS_356:the same
  statement {
    sid       = "Administered"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }
}

resource "aws_s3_bucket" "warehouse" {
  #checkov:skip=CKV_AWS_18:its reads are in CloudTrail's data events
  #checkov:skip=CKV_AWS_144:whether it is copied to another Region is yours to decide
  #checkov:skip=CKV2_AWS_62:nobody waits for its objects
  bucket = var.warehouse_bucket
  tags   = var.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "warehouse" {
  bucket = aws_s3_bucket.warehouse.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.lake.arn
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "warehouse" {
  bucket = aws_s3_bucket.warehouse.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "warehouse" {
  bucket                  = aws_s3_bucket.warehouse.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "warehouse" {
  bucket = aws_s3_bucket.warehouse.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "warehouse" {
  bucket     = aws_s3_bucket.warehouse.id
  depends_on = [aws_s3_bucket_versioning.warehouse]

  rule {
    id     = "undo" # what gc deleted can be brought back for a week, then it is gone
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 7
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

data "aws_iam_policy_document" "warehouse" {
  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.warehouse.arn, "${aws_s3_bucket.warehouse.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "warehouse" {
  bucket = aws_s3_bucket.warehouse.id
  policy = data.aws_iam_policy_document.warehouse.json
}

resource "aws_glue_catalog_database" "lake" {
  name        = var.glue_database
  description = "Tables of flowlake; no other tool may expire or vacuum them."
  tags        = var.tags
}
