variable "name" {
  description = "Begin of the names of what is made, and the Helm release's name."
  type        = string
  default     = "flowlake"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.name))
    error_message = "Use small letters, digits and hyphens, 31 at most."
  }
}

variable "vpc_ids" {
  description = "VPCs whose traffic is logged."
  type        = set(string)
}

variable "log_bucket" {
  description = "Name of the bucket that flow logs are delivered to; it exists."
  type        = string
}

variable "log_key_arn" {
  description = "KMS key of that bucket, if it has one of its own."
  type        = string
  default     = null
}

variable "notify" {
  description = "Whether the bucket's notifications are set: Terraform replaces all that it has."
  type        = bool
  default     = true
}

variable "file_format" {
  description = "plain-text is read with less CPU time; parquet takes half of the room."
  type        = string
  default     = "plain-text"

  validation {
    condition     = contains(["plain-text", "parquet"], var.file_format)
    error_message = "It is plain-text or parquet."
  }
}

variable "owner_tag" {
  description = "Tag that names an owner; with the tag Name it is kept in each record."
  type        = string
  default     = "owner"
}

variable "warehouse_bucket" {
  description = "Name of the bucket that is made for the lake."
  type        = string
}

variable "glue_database" {
  description = "Glue database of the lake's tables: FLOWLAKE_NAMESPACE."
  type        = string
  default     = "flowlake"
}

variable "oidc_provider_arn" {
  description = "IAM OIDC provider of the EKS cluster that flowlake runs in."
  type        = string

  validation {
    condition     = can(regex(":oidc-provider/", var.oidc_provider_arn))
    error_message = "Give the ARN of an IAM OIDC provider: arn:…:oidc-provider/…"
  }
}

variable "kubernetes_namespace" {
  description = "Namespace of the Helm release."
  type        = string
  default     = "flowlake"
}

variable "inventory_role_arns" {
  description = "Roles in other accounts that the inventory assumes (--role-arn)."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
