# What the vault itself calls. Nothing here lists secrets, changes their keys, tags, policies or replicas, or reads one
# outside the prefix.
locals {
  application_statements = concat(
    [
      {
        Sid    = "Secrets"
        Effect = "Allow"
        Action = [
          "secretsmanager:CreateSecret",
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
          "secretsmanager:PutSecretValue",
          "secretsmanager:RestoreSecret",
        ]
        Resource = local.secrets
      },
      merge(
        {
          Sid      = "Delete"
          Effect   = "Allow"
          Action   = ["secretsmanager:DeleteSecret"]
          Resource = local.secrets
        },
        # The key is missing from a request that does not ask for it.
        var.allow_purge ? {} : {
          Condition = { BoolIfExists = { "secretsmanager:ForceDeleteWithoutRecovery" = "false" } }
        },
      ),
      {
        Sid       = "Key"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = local.keys
        Condition = local.through_secrets_manager
      },
    ],
    var.allow_batch_reads ? [
      {
        Sid      = "BatchReads"
        Effect   = "Allow"
        Action   = ["secretsmanager:BatchGetSecretValue"]
        Resource = "*"
      },
    ] : [],
    var.audit_log_group_name != null ? [
      {
        Sid      = "AuditTrail"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = local.audit_logs
      },
    ] : [],
  )
}

resource "aws_iam_policy" "application" {
  name        = local.policy_name
  description = "What the token vault ${var.prefix} calls"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.application_statements })
  tags        = var.tags
}
