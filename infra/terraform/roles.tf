# The four roles of the chart's service accounts, and what each may do: the same as in
# infra/cloudformation, which a test compares.

locals {
  roles = {
    ingest      = data.aws_iam_policy_document.ingest.json
    inventory   = data.aws_iam_policy_document.inventory.json
    maintenance = data.aws_iam_policy_document.maintenance.json
    read        = data.aws_iam_policy_document.read.json
  }

  issuer   = replace(var.oidc_provider_arn, "/^.*:oidc-provider\\//", "")
  files    = "${aws_s3_bucket.warehouse.arn}/lake"
  glue     = "arn:${local.partition}:glue:${local.region}:${local.account}"
  database = ["${local.glue}:catalog", "${local.glue}:database/${var.glue_database}"]
  tables   = "${local.glue}:table/${var.glue_database}"
}

data "aws_iam_policy_document" "trust" {
  for_each = local.roles

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${var.kubernetes_namespace}:${var.name}-${each.key}"]
    }
  }
}

resource "aws_iam_role" "job" {
  for_each = local.roles

  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.trust[each.key].json
  tags               = var.tags
}

resource "aws_iam_role_policy" "job" {
  for_each = local.roles

  name   = each.key
  role   = aws_iam_role.job[each.key].id
  policy = each.value
}

# What every job does to the lake: look tables up and read them.
data "aws_iam_policy_document" "read_lake" {
  statement {
    sid       = "Catalog"
    actions   = ["glue:GetTable"]
    resources = concat(local.database, ["${local.tables}/*"])
  }

  statement {
    sid       = "Files"
    actions   = ["s3:GetObject"]
    resources = ["${local.files}/*"]
  }

  statement {
    sid       = "Opened"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.lake.arn]
  }
}

# What whoever commits does besides: see what is there, and seal it.
data "aws_iam_policy_document" "write_lake" {
  statement {
    sid       = "Namespace"
    actions   = ["glue:GetDatabase"]
    resources = local.database
  }

  statement {
    sid       = "Listed"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.warehouse.arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["lake", "lake/*"]
    }
  }

  statement {
    sid       = "Sealed"
    actions   = ["kms:GenerateDataKey"]
    resources = [aws_kms_key.lake.arn]
  }
}

data "aws_iam_policy_document" "ingest" {
  source_policy_documents = [
    data.aws_iam_policy_document.read_lake.json,
    data.aws_iam_policy_document.write_lake.json,
  ]

  statement {
    sid       = "ListedLogs"
    actions   = ["s3:ListBucket"]
    resources = [local.log_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["AWSLogs", "AWSLogs/*"]
    }
  }

  statement {
    sid       = "Logs"
    actions   = ["s3:GetObject"]
    resources = ["${local.log_arn}/AWSLogs/*"]
  }

  dynamic "statement" {
    for_each = var.log_key_arn == null ? [] : [var.log_key_arn]

    content {
      sid       = "OpenedLogs"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }

  statement {
    sid = "Messages"
    actions = [
      "sqs:ReceiveMessage",
      "sqs:DeleteMessage",
      "sqs:ChangeMessageVisibility",
    ]
    resources = [aws_sqs_queue.objects.arn]
  }

  statement {
    sid       = "Tables"
    actions   = ["glue:CreateTable", "glue:UpdateTable"]
    resources = concat(local.database, ["${local.tables}/*"])
  }

  statement {
    sid       = "Written"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${local.files}/*"]
  }
}

data "aws_iam_policy_document" "inventory" {
  #checkov:skip=CKV_AWS_356:none of these calls can be allowed for one resource
  source_policy_documents = [
    data.aws_iam_policy_document.read_lake.json,
    data.aws_iam_policy_document.write_lake.json,
  ]

  statement {
    sid = "Looks"
    actions = [
      "ec2:DescribeAddresses",
      "ec2:DescribeAvailabilityZones",
      "ec2:DescribeCustomerGateways",
      "ec2:DescribeEgressOnlyInternetGateways",
      "ec2:DescribeFlowLogs",
      "ec2:DescribeInstances",
      "ec2:DescribeInternetGateways",
      "ec2:DescribeManagedPrefixLists",
      "ec2:DescribeNatGateways",
      "ec2:DescribeNetworkAcls",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeRegions",
      "ec2:DescribeRouteTables",
      "ec2:DescribeSecurityGroupRules",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeTransitGatewayAttachments",
      "ec2:DescribeTransitGatewayVpcAttachments",
      "ec2:DescribeTransitGateways",
      "ec2:DescribeTrunkInterfaceAssociations",
      "ec2:DescribeVpcBlockPublicAccessExclusions",
      "ec2:DescribeVpcBlockPublicAccessOptions",
      "ec2:DescribeVpcEncryptionControls",
      "ec2:DescribeVpcEndpoints",
      "ec2:DescribeVpcPeeringConnections",
      "ec2:DescribeVpcs",
      "ec2:DescribeVpnConnections",
      "ec2:DescribeVpnGateways",
      "ec2:GetManagedPrefixListEntries",
      "elasticloadbalancing:DescribeListeners",
      "elasticloadbalancing:DescribeLoadBalancers",
      "elasticloadbalancing:DescribeTargetGroupAttributes",
      "elasticloadbalancing:DescribeTargetGroups",
      "elasticloadbalancing:DescribeTargetHealth",
      "sts:GetCallerIdentity",
    ]
    resources = ["*"] # none of these calls can be allowed for one resource
  }

  dynamic "statement" {
    for_each = length(var.inventory_role_arns) == 0 ? [] : [var.inventory_role_arns]

    content {
      sid       = "OtherAccounts"
      actions   = ["sts:AssumeRole"]
      resources = statement.value
    }
  }

  statement {
    sid     = "Tables"
    actions = ["glue:UpdateTable"]
    resources = concat(
      local.database,
      ["${local.tables}/identities", "${local.tables}/configurations"],
    )
  }

  statement {
    sid     = "Written"
    actions = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = [
      "${local.files}/identities/*",
      "${local.files}/configurations/*",
    ]
  }
}

data "aws_iam_policy_document" "maintenance" {
  source_policy_documents = [
    data.aws_iam_policy_document.read_lake.json,
    data.aws_iam_policy_document.write_lake.json,
  ]

  statement {
    sid       = "Tables"
    actions   = ["glue:UpdateTable"]
    resources = concat(local.database, ["${local.tables}/*"])
  }

  statement {
    sid       = "Written"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"]
    resources = ["${local.files}/*"]
  }
}

# Of the API and of the check: they write nothing.
data "aws_iam_policy_document" "read" {
  source_policy_documents = [data.aws_iam_policy_document.read_lake.json]
}
