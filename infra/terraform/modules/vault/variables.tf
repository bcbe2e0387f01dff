variable "prefix" {
  description = "What the names of the vault's secrets begin with, without the slash behind it: PREFIX/token/..., PREFIX/index."
  type        = string

  # The longest name is PREFIX/ and some 60 characters, and Secrets Manager answers with names of up to 256.
  validation {
    condition     = length(var.prefix) >= 1 && length(var.prefix) <= 190
    error_message = "The prefix must have 1 to 190 characters: the names below it have up to 256."
  }

  # The characters of a secret's name. None of them means anything in an IAM pattern, so the prefix stays literal there.
  validation {
    condition     = can(regex("^[A-Za-z0-9/_+=.@-]*$", var.prefix))
    error_message = "The prefix may hold letters, digits and the characters / _ + = . @ - only."
  }

  validation {
    condition     = !startswith(var.prefix, "/") && !endswith(var.prefix, "/") && !strcontains(var.prefix, "//")
    error_message = "The prefix must not begin or end with a slash, nor hold two in a row."
  }

  # Secrets Manager ends every secret's ARN with a hyphen and six characters of its own.
  validation {
    condition     = !can(regex("-[A-Za-z0-9]{6}$", var.prefix))
    error_message = "The prefix must not end in a hyphen and six letters or digits: that is how the ARN of a secret ends, and a lookup by part of an ARN would mistake one for the other."
  }
}

variable "policy_name" {
  description = "Name of the application's IAM policy; the operator's has -operator behind it. Made from the prefix where it is not given."
  type        = string
  default     = null

  validation {
    condition     = var.policy_name == null || can(regex("^[A-Za-z0-9+=,.@_-]{1,119}$", var.policy_name))
    error_message = "The name of the policy may have 1 to 119 letters, digits and characters + = , . @ _ - only."
  }
}

variable "key_alias" {
  description = "Alias of the KMS key, without the word alias/ before it. Made from the prefix where it is not given."
  type        = string
  default     = null

  validation {
    condition     = var.key_alias == null || (can(regex("^[A-Za-z0-9/_-]{1,250}$", var.key_alias)) && !startswith(coalesce(var.key_alias, "-"), "aws/"))
    error_message = "The alias may have 1 to 250 letters, digits and characters / _ - only, and must not begin with aws/."
  }
}

variable "key_rotation_period_in_days" {
  description = "How often KMS makes new key material under the same key. Secrets need no change for it."
  type        = number
  default     = 365

  validation {
    condition     = var.key_rotation_period_in_days >= 90 && var.key_rotation_period_in_days <= 2560
    error_message = "KMS rotates key material every 90 to 2,560 days."
  }
}

variable "key_deletion_window_in_days" {
  description = "How long a key that was scheduled for deletion can still be taken back. After it every secret under the key is lost."
  type        = number
  default     = 30

  validation {
    condition     = var.key_deletion_window_in_days >= 7 && var.key_deletion_window_in_days <= 30
    error_message = "KMS waits 7 to 30 days before it deletes a key."
  }
}

variable "other_key_arns" {
  description = "ARNs of further KMS keys that some of the vault's secrets are under while they are moved from one key to another."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.other_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "Each of the other keys must be named by the ARN of a key, not by an alias or an id, and without wildcards."
  }
}

variable "allow_batch_reads" {
  description = "Whether the application may read up to 20 secrets in one call. IAM knows that call for all secrets or none; which values come back is still decided secret by secret."
  type        = bool
  default     = false
}

variable "allow_purge" {
  description = "Whether the application may delete a secret without a recovery window."
  type        = bool
  default     = false
}

variable "audit_log_group_name" {
  description = "The log group of CloudWatch Logs that the audit trail goes to, where it goes there. It is not made here: its retention and its key are yours to choose."
  type        = string
  default     = null

  validation {
    condition     = var.audit_log_group_name == null || can(regex("^[A-Za-z0-9._/#-]{1,512}$", var.audit_log_group_name))
    error_message = "The name of the log group may have 1 to 512 letters, digits and characters . _ / # - only."
  }
}

variable "create_operator_policy" {
  description = "Whether to make a second policy, for the people and jobs that repair the vault and move it to another key."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of the key and the policies."
  type        = map(string)
  default     = {}
}
