output "role_arns" {
  description = "ARN of each role, for serviceAccounts.NAME.annotations of the chart."
  value       = { for name, role in aws_iam_role.job : name => role.arn }
}

output "queue_url" {
  description = "For queueUrl of the chart."
  value       = aws_sqs_queue.objects.url
}

output "dead_letters_arn" {
  description = "Alarm on messages in it: they are no S3 events, or cannot be read."
  value       = aws_sqs_queue.dead_letters.arn
}

output "settings" {
  description = "For settings of the chart."
  value = {
    warehouse = "s3://${aws_s3_bucket.warehouse.id}/lake"
    namespace = aws_glue_catalog_database.lake.name
    owner_key = var.owner_tag
  }
}

output "catalog" {
  description = "For FLOWLAKE_CATALOG: the chart's secretSettings.catalog."
  value       = jsonencode({ type = "glue", "s3.region" = local.region })
}
