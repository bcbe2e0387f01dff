data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  partition   = data.aws_partition.this.partition
  region      = data.aws_region.this.name
  account     = data.aws_caller_identity.this.account_id
  secrets     = "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${var.prefix}/*"
  policy_name = coalesce(var.policy_name, "tokenvault-${substr(replace(var.prefix, "/[^A-Za-z0-9+=,.@_-]/", "-"), 0, 100)}")
  key_alias   = coalesce(var.key_alias, "tokenvault/${replace(var.prefix, "/[^A-Za-z0-9/_-]/", "-")}")
  # A log group's own ARN, and those of its streams.
  audit_logs = [for end in ["", ":*"] : "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${coalesce(var.audit_log_group_name, "none")}${end}"]
  keys       = concat([aws_kms_key.this.arn], var.other_key_arns)

  # Secrets Manager calls KMS with the caller's rights: the key opens for it, for this vault's secrets, and no other way.
  through_secrets_manager = {
    StringEquals = { "kms:ViaService" = "secretsmanager.${local.region}.${data.aws_partition.this.dns_suffix}" }
    StringLike   = { "kms:EncryptionContext:SecretARN" = local.secrets }
  }
}

resource "aws_kms_key" "this" {
  description             = "Seals the secrets of the token vault ${var.prefix}"
  enable_key_rotation     = true
  rotation_period_in_days = var.key_rotation_period_in_days
  deletion_window_in_days = var.key_deletion_window_in_days
  tags                    = var.tags
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.key_alias}"
  target_key_id = aws_kms_key.this.key_id
}
