"""What Terraform made, asked of AWS's own interfaces on an emulator, beside what the module promises.

    python read_back.py ENDPOINT OUTPUT.json present|gone

OUTPUT.json is `terraform output -json` of the example.
"""

import json
import sys

import botocore.session

NO_PURGE = {"BoolIfExists": {"secretsmanager:ForceDeleteWithoutRecovery": "false"}}


def secrets(prefix):
    return f"arn:aws:secretsmanager:us-east-1:000000000000:secret:{prefix}/*"


def through_secrets_manager(prefix):
    return {
        "StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:SecretARN": secrets(prefix)},
    }


def application(prefix, key):
    """Every call of the application, on what, and under which condition: these and no others."""
    own, sealed = secrets(prefix), through_secrets_manager(prefix)
    return {
        "secretsmanager:CreateSecret": (own, None),
        "secretsmanager:DescribeSecret": (own, None),
        "secretsmanager:GetSecretValue": (own, None),
        "secretsmanager:PutSecretValue": (own, None),
        "secretsmanager:RestoreSecret": (own, None),
        "secretsmanager:DeleteSecret": (own, NO_PURGE),
        "secretsmanager:BatchGetSecretValue": ("*", None),
        "kms:Decrypt": (key, sealed),
        "kms:GenerateDataKey": (key, sealed),
    }


def operator(prefix, key):
    own, sealed = secrets(prefix), through_secrets_manager(prefix)
    return {
        "secretsmanager:DeleteSecret": (own, None),
        "secretsmanager:ListSecretVersionIds": (own, None),
        "secretsmanager:UpdateSecret": (own, None),
        "secretsmanager:ListSecrets": ("*", None),
        "kms:Decrypt": (key, sealed),
        "kms:Encrypt": (key, sealed),
        "kms:GenerateDataKey": (key, sealed),
    }


class Account:
    def __init__(self, endpoint):
        session = botocore.session.Session()
        at = {"region_name": "us-east-1", "endpoint_url": endpoint}
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.kms, self.iam = (session.create_client(service, **at, **keys) for service in ("kms", "iam"))

    def policy(self, arn):
        version = self.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return self.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    def aliases(self):
        pages = self.kms.get_paginator("list_aliases").paginate()
        return {alias["AliasName"]: alias.get("TargetKeyId") for page in pages for alias in page["Aliases"]}


def granted(document):
    """Each action with its resource and condition. A deny, or one action twice, is nothing this module writes."""
    calls = {}
    for statement in document["Statement"]:
        resource = statement["Resource"]
        if isinstance(resource, list):
            (resource,) = resource
        for action in statement["Action"]:
            assert statement["Effect"] == "Allow" and action not in calls, statement
            calls[action] = (resource, statement.get("Condition"))
    return calls


def same(what, found, wanted):
    assert found == wanted, f"{what}:\n  found  {found}\n  wanted {wanted}"


def present(account, vault):
    prefix, key = vault["prefix"], vault["key_arn"]
    described = account.kms.describe_key(KeyId=key)["KeyMetadata"]
    same("key", (described["KeyState"], described["KeySpec"]), ("Enabled", "SYMMETRIC_DEFAULT"))
    rotation = account.kms.get_key_rotation_status(KeyId=key)
    same("rotation", (rotation["KeyRotationEnabled"], rotation["RotationPeriodInDays"]), (True, 365))
    same("alias", account.aliases().get(vault["key_alias"]), described["KeyId"])
    for name, wanted in (("application", application), ("operator", operator)):
        same(f"{name}'s policy", granted(account.policy(vault[f"{name}_policy_arn"])), wanted(prefix, key))
    print("key, rotation, alias and both policies are there, as promised")


def gone(account, vault):
    same("key", account.kms.describe_key(KeyId=vault["key_arn"])["KeyMetadata"]["KeyState"], "PendingDeletion")
    assert vault["key_alias"] not in account.aliases(), "the alias is still there"
    for policy in ("application_policy_arn", "operator_policy_arn"):
        try:
            account.iam.get_policy(PolicyArn=vault[policy])
        except account.iam.exceptions.NoSuchEntityException:
            continue
        raise AssertionError(f"{vault[policy]} is still there")
    print("alias and policies are gone, the key awaits its deletion")


def main(endpoint, output, state):
    with open(output) as file:
        vault = json.load(file)["vault"]["value"]
    {"present": present, "gone": gone}[state](Account(endpoint), vault)


if __name__ == "__main__":
    main(*sys.argv[1:])
