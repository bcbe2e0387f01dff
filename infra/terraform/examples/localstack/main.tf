# The module against LocalStack: `terraform apply` with the address of a running one.

terraform {
  required_version = ">= 1.7"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 6.0"
    }
  }
}

variable "endpoint" {
  description = "Where LocalStack listens."
  type        = string
  default     = "http://127.0.0.1:4566"

  # The provider below knows no credentials but these; a mistyped address must not get as far as AWS all the same.
  validation {
    condition     = can(regex("^http://(127\\.0\\.0\\.1|localhost|localstack)(:[0-9]+)?$", var.endpoint))
    error_message = "The address must be one of this machine, e.g. http://127.0.0.1:4566."
  }
}

variable "prefix" {
  description = "What the names of the vault's secrets begin with."
  type        = string
  default     = "crm/try"
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true

  endpoints {
    iam = var.endpoint
    kms = var.endpoint
    sts = var.endpoint
  }
}

module "vault" {
  source = "../../modules/vault"

  prefix                      = var.prefix
  key_deletion_window_in_days = 7
  allow_batch_reads           = true
}

output "vault" {
  description = "What the module made."
  value       = module.vault
}
