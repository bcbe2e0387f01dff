# Which inputs are refused, and that what is made from good ones is what the README says. No provider is called.

mock_provider "aws" {
  mock_data "aws_caller_identity" { defaults = { account_id = "123456789012" } }
  mock_data "aws_partition" { defaults = { partition = "aws", dns_suffix = "amazonaws.com" } }
  mock_data "aws_region" { defaults = { name = "eu-west-1" } }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000000" }
  }
  mock_resource "aws_iam_policy" { defaults = { arn = "arn:aws:iam::123456789012:policy/mocked" } }
}

variables {
  prefix = "crm/production"
}

run "empty_prefix" {
  command = plan
  variables { prefix = "" }
  expect_failures = [var.prefix]
}

run "long_prefix" {
  command = plan
  variables { prefix = join("", [for _ in range(191) : "x"]) }
  expect_failures = [var.prefix]
}

run "wildcard_in_prefix" {
  command = plan
  variables { prefix = "crm/*" }
  expect_failures = [var.prefix]
}

run "policy_variable_in_prefix" {
  command = plan
  variables { prefix = "crm/$${aws:username}" }
  expect_failures = [var.prefix]
}

run "slash_before_prefix" {
  command = plan
  variables { prefix = "/crm" }
  expect_failures = [var.prefix]
}

run "slash_behind_prefix" {
  command = plan
  variables { prefix = "crm/" }
  expect_failures = [var.prefix]
}

run "two_slashes_in_prefix" {
  command = plan
  variables { prefix = "crm//production" }
  expect_failures = [var.prefix]
}

run "prefix_that_ends_like_an_arn" {
  command = plan
  variables { prefix = "crm-a1B2c3" }
  expect_failures = [var.prefix]
}

run "aws_alias" {
  command = plan
  variables { key_alias = "aws/crm" }
  expect_failures = [var.key_alias]
}

run "policy_name_with_a_slash" {
  command = plan
  variables { policy_name = "crm/vault" }
  expect_failures = [var.policy_name]
}

run "daily_rotation" {
  command = plan
  variables { key_rotation_period_in_days = 1 }
  expect_failures = [var.key_rotation_period_in_days]
}

run "key_deleted_at_once" {
  command = plan
  variables { key_deletion_window_in_days = 0 }
  expect_failures = [var.key_deletion_window_in_days]
}

run "any_other_key" {
  command = plan
  variables { other_key_arns = ["*"] }
  expect_failures = [var.other_key_arns]
}

run "five_characters_behind_a_hyphen" {
  variables { prefix = "crm-a1B2c" }

  assert {
    condition     = output.prefix == "crm-a1B2c"
    error_message = "Only six characters look like the end of an ARN."
  }
}

run "defaults" {
  assert {
    condition     = output.secrets_arn_pattern == "arn:aws:secretsmanager:eu-west-1:123456789012:secret:crm/production/*"
    error_message = "The pattern must end at the slash behind the prefix: ${output.secrets_arn_pattern}"
  }

  assert {
    condition     = output.key_alias == "alias/tokenvault/crm/production" && aws_kms_key.this.enable_key_rotation
    error_message = "The key must have its alias, and rotate."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.application.policy).Statement :
      !strcontains(jsonencode(statement.Resource), "\"*\"")
    ])
    error_message = "Without a flag the application has no right over everything."
  }

  assert {
    condition = anytrue([
      for statement in jsondecode(aws_iam_policy.application.policy).Statement :
      statement.Sid == "Delete" && try(statement.Condition.BoolIfExists["secretsmanager:ForceDeleteWithoutRecovery"], "") == "false"
    ])
    error_message = "Without a flag the application cannot delete beyond recovery."
  }
}

run "flags" {
  variables {
    allow_batch_reads      = true
    allow_purge            = true
    create_operator_policy = false
  }

  assert {
    condition     = contains([for statement in jsondecode(aws_iam_policy.application.policy).Statement : statement.Sid], "BatchReads")
    error_message = "The flag must grant batch reads."
  }

  assert {
    condition     = !strcontains(aws_iam_policy.application.policy, "ForceDeleteWithoutRecovery") && !strcontains(aws_iam_policy.application.policy, "logs:")
    error_message = "The flag must lift the condition on deletes."
  }

  assert {
    condition     = output.operator_policy_arn == null && length(aws_iam_policy.operator) == 0
    error_message = "The flag must leave the operator's policy out."
  }
}

run "wildcard_in_log_group" {
  command = plan
  variables { audit_log_group_name = "/tokenvault/*" }
  expect_failures = [var.audit_log_group_name]
}

run "audit_trail" {
  variables { audit_log_group_name = "/tokenvault/prod" }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.application.policy).Statement : statement if statement.Sid == "AuditTrail"
      ][0] == {
      Sid    = "AuditTrail"
      Effect = "Allow"
      Action = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = [
        "arn:aws:logs:eu-west-1:123456789012:log-group:/tokenvault/prod",
        "arn:aws:logs:eu-west-1:123456789012:log-group:/tokenvault/prod:*",
      ]
    }
    error_message = "The application must be let write to the one log group, and read nothing there."
  }

  assert {
    condition     = strcontains(aws_iam_policy.operator[0].policy, "logs:FilterLogEvents")
    error_message = "The operator must be let look at the log group."
  }
}
