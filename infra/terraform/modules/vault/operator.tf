# What repair, key changes and purges need beyond the application's policy: attach both to an operator's role.
resource "aws_iam_policy" "operator" {
  count = var.create_operator_policy ? 1 : 0

  name        = "${local.policy_name}-operator"
  description = "What repair, key changes and purges of the token vault ${var.prefix} call beyond its application's policy"
  tags        = var.tags

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid    = "Secrets"
        Effect = "Allow"
        Action = [
          "secretsmanager:DeleteSecret",
          "secretsmanager:ListSecretVersionIds",
          "secretsmanager:UpdateSecret",
        ]
        Resource = local.secrets
      },
      {
        # IAM knows this call for all secrets of the account or none; it shows names, never values.
        Sid      = "List"
        Effect   = "Allow"
        Action   = ["secretsmanager:ListSecrets"]
        Resource = "*"
      },
      {
        # Without Encrypt under the new key, UpdateSecret leaves what is stored under the old one, and says nothing.
        Sid       = "Key"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
        Resource  = local.keys
        Condition = local.through_secrets_manager
      },
      ],
      var.audit_log_group_name != null ? [
        {
          Sid      = "AuditTrail"
          Effect   = "Allow"
          Action   = ["logs:FilterLogEvents"]
          Resource = local.audit_logs
        },
    ] : [])
  })
}
