output "prefix" {
  description = "The prefix to configure the vault with."
  value       = var.prefix
}

output "key_arn" {
  description = "ARN of the KMS key to configure the vault with."
  value       = aws_kms_key.this.arn
}

output "key_alias" {
  description = "The key's alias, for people."
  value       = aws_kms_alias.this.name
}

output "application_policy_arn" {
  description = "The policy to attach to the role that the application runs under."
  value       = aws_iam_policy.application.arn
}

output "operator_policy_arn" {
  description = "The policy to attach, beside the application's, to the role of an operator; null where none was made."
  value       = one(aws_iam_policy.operator[*].arn)
}

output "secrets_arn_pattern" {
  description = "The pattern of IAM that all secrets of the vault match, e.g. for alarms and resource policies."
  value       = local.secrets
}
