"""Where the emulators answer unlike AWS Secrets Manager: asked of a running one, and compared with what is known.

    python differences.py localstack|moto|ministack http://127.0.0.1:PORT
    python differences.py --table

The second prints the table that docs/testing.md has to hold. An answer other than the one written here is a failure in
either direction: a new difference, or one that is gone.
"""

import concurrent.futures
import pathlib
import sys
import uuid

import botocore.config
import botocore.exceptions
import botocore.session

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/testing.md"
EMULATORS = ("localstack", "moto", "ministack")
CASES = []


class Case:
    def __init__(self, ask, aws, source, known):
        self.ask, self.aws, self.source = ask, aws, source
        self.known = dict(zip(EMULATORS, known))

    @property
    def title(self):
        return self.ask.__doc__


def case(aws, source, *known):
    return lambda ask: CASES.append(Case(ask, aws, source, known)) or ask


class Secret:
    """A secret of a case's own, with the value `one` as version `first`."""

    def __init__(self, client):
        self.client, self.name, self.token = client, f"differences/{uuid.uuid4()}", str(uuid.uuid4())
        created = client.create_secret(Name=self.name, SecretString="one", ClientRequestToken=self.token)
        self.first = created["VersionId"]

    def put(self, value, version=None, **more):
        version = version or str(uuid.uuid4())
        self.client.put_secret_value(SecretId=self.name, SecretString=value, ClientRequestToken=version, **more)
        return version

    def move(self, label, to, **more):
        self.client.update_secret_version_stage(SecretId=self.name, VersionStage=label, MoveToVersionId=to, **more)

    def value(self, **more):
        return self.client.get_secret_value(SecretId=self.name, **more)["SecretString"]

    def holders(self, label):
        stages = self.client.describe_secret(SecretId=self.name).get("VersionIdsToStages", {})
        return [version for version, labels in stages.items() if label in labels]


def scheduled(client):
    """A secret that is scheduled for deletion."""
    secret = Secret(client)
    client.delete_secret(SecretId=secret.name, RecoveryWindowInDays=7)
    return secret


def refusal(call, *arguments, **more):
    """The error's code, or None."""
    try:
        call(*arguments, **more)
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    return None


def told(call, *arguments, **more):
    return refusal(call, *arguments, **more) or "accepted"


API = "API reference"


@case(
    "ResourceExistsException", f"{API}, PutSecretValue",
    "ResourceExistsException", "ResourceExistsException", "accepted",
)
def put_same_token_other_value(client):
    """PutSecretValue, a token used before, another value"""
    secret = Secret(client)
    version = secret.put("two")
    return told(secret.put, "three", version)


@case("accepted", f"{API}, PutSecretValue", "accepted", "accepted", "accepted")
def put_same_token_same_value(client):
    """PutSecretValue, a token used before, the same value"""
    secret = Secret(client)
    version = secret.put("two")
    return told(secret.put, "two", version)


@case("1 each", "documented for the token, promised for no race", "1 each", "1 each", "8 each")
def race_for_a_token(client):
    """8 writers put 8 values under one token, 20 rounds: winners"""
    with concurrent.futures.ThreadPoolExecutor(8) as writers:
        winners = set()
        for _ in range(20):
            secret, version = Secret(client), str(uuid.uuid4())
            refusals = writers.map(lambda number: refusal(secret.put, str(number), version), range(8))
            winners.add(sum(code is None for code in refusals))
    return ", ".join(f"{count} each" for count in sorted(winners))


@case("accepted", f"{API}, CreateSecret", "ResourceExistsException", "accepted", "ResourceExistsException")
def create_again(client):
    """CreateSecret again, same token, same value"""
    secret = Secret(client)
    return told(client.create_secret, Name=secret.name, SecretString="one", ClientRequestToken=secret.token)


@case("the token", f"{API}, CreateSecret", "the token", "the token", "another")
def created_version(client):
    """VersionId that CreateSecret answers"""
    secret = Secret(client)
    return "the token" if secret.first == secret.token else "another"


@case("on 1 version", f"{API}, PutSecretValue", "on 1 version", "on 1 version", "on 2 versions")
def put_a_label_again(client):
    """PutSecretValue with a label that another version holds"""
    secret = Secret(client)
    secret.put("two", VersionStages=["mine"])
    secret.put("three", VersionStages=["mine"])
    held = len(secret.holders("mine"))
    return f"on {held} version{'s' if held > 1 else ''}"


@case("refused", f"{API}, UpdateSecretVersionStage", "refused", "refused", "refused")
def move_current_from_the_wrong_version(client):
    """Move AWSCURRENT, naming a version that does not hold it"""
    secret = Secret(client)
    second = secret.put("two", VersionStages=["pending"])
    code = refusal(secret.move, "AWSCURRENT", second, RemoveFromVersionId=second)
    return "refused" if code else "accepted"


@case("refused", f"{API}, UpdateSecretVersionStage", "on 2 versions", "on 2 versions", "refused")
def move_a_label_without_its_holder(client):
    """Move a label of one's own, naming no version to take it from"""
    secret = Secret(client)
    secret.put("two", VersionStages=["mine"])
    third = secret.put("three", VersionStages=["other"])
    code = refusal(secret.move, "mine", third)
    return "refused" if code else f"on {len(secret.holders('mine'))} versions"


@case(
    "refused, still there", f"{API}, UpdateSecretVersionStage",
    "refused, gone", "refused, gone", "refused, still there",
)
def move_current_to_nowhere(client):
    """Move AWSCURRENT to a version that does not exist"""
    secret = Secret(client)
    code = refusal(secret.move, "AWSCURRENT", str(uuid.uuid4()), RemoveFromVersionId=secret.first)
    there = "still there" if secret.holders("AWSCURRENT") else "gone"
    return f"{'refused' if code else 'accepted'}, {there}"


@case("new value", f"{API}, UpdateSecretVersionStage", "new value", "old value", "new value")
def read_after_a_move(client):
    """GetSecretValue without a stage, after AWSCURRENT was moved"""
    secret = Secret(client)
    second = secret.put("two", VersionStages=["pending"])
    secret.move("AWSCURRENT", second, RemoveFromVersionId=secret.first)
    return "new value" if secret.value() == "two" else "old value"


@case("kept for a day", "User Guide, quotas", "gone", "kept", "kept")
def lose_the_last_label(client):
    """A version that loses its last label"""
    secret = Secret(client)
    second = secret.put("two", VersionStages=["mine"])
    client.update_secret_version_stage(SecretId=secret.name, VersionStage="mine", RemoveFromVersionId=second)
    return "gone" if refusal(secret.value, VersionId=second) else "kept"


@case("LimitExceededException near 100", "User Guide, quotas", "accepted", "accepted", "accepted")
def many_versions(client):
    """120 versions within a day"""
    secret = Secret(client)
    codes = [refusal(secret.put, str(number)) for number in range(120)]
    return next(filter(None, codes), "accepted")


@case(
    "InvalidRequestException", "recorded from AWS by LocalStack's authors",
    "accepted", "accepted", "InvalidRequestException",
)
def put_while_deleted(client):
    """PutSecretValue on a secret scheduled for deletion"""
    return told(scheduled(client).put, "two")


@case(
    "InvalidRequestException", "recorded from AWS by LocalStack's authors",
    "InvalidRequestException", "ResourceExistsException", "ResourceExistsException",
)
def create_while_deleted(client):
    """CreateSecret under a name scheduled for deletion"""
    return told(client.create_secret, Name=scheduled(client).name, SecretString="two")


@case("may fail for minutes", f"{API}, DeleteSecret", "accepted", "accepted", "accepted")
def create_after_forced_delete(client):
    """CreateSecret right after a forced delete of the name"""
    secret = Secret(client)
    client.delete_secret(SecretId=secret.name, ForceDeleteWithoutRecovery=True)
    return told(client.create_secret, Name=secret.name, SecretString="two")


@case("400", "recorded from AWS by LocalStack's authors", "400", "404", "400")
def status_of_not_found(client):
    """HTTP status of ResourceNotFoundException"""
    try:
        client.get_secret_value(SecretId=f"differences/{uuid.uuid4()}")
    except botocore.exceptions.ClientError as error:
        return str(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return "found"


@case("refused", f"{API}, limits of the members", "accepted", "accepted", "accepted")
def value_too_long(client):
    """A value of 65,537 bytes"""
    secret = Secret(client)
    return "refused" if refusal(secret.put, "x" * 65_537) else "accepted"


@case("refused", f"{API}, limits of the members", "accepted", "accepted", "accepted")
def name_too_long(client):
    """A name of 513 characters"""
    name = f"{uuid.uuid4()}/".ljust(513, "x")
    return "refused" if refusal(client.create_secret, Name=name, SecretString="one") else "accepted"


@case("refused", "User Guide, quotas", "accepted", "accepted", "accepted")
def too_many_labels(client):
    """21 labels on one secret"""
    secret = Secret(client)
    codes = [refusal(secret.put, str(number), VersionStages=[f"label{number}"]) for number in range(21)]
    return "refused" if any(codes) else "accepted"


@case("refused", f"{API}, CreateSecret", "accepted", "accepted", "accepted")
def key_that_does_not_exist(client):
    """A KMS key that does not exist"""
    key = f"arn:aws:kms:us-east-1:000000000000:key/{uuid.uuid4()}"
    name = f"differences/{uuid.uuid4()}"
    return "refused" if refusal(client.create_secret, Name=name, SecretString="one", KmsKeyId=key) else "accepted"


@case("InvalidNextTokenException", f"{API}, ListSecrets", "InternalError", "500", "accepted")
def bad_page_token(client):
    """ListSecrets with a made-up NextToken"""
    return told(client.list_secrets, NextToken="made-up")


@case("read", f"{API}, BatchGetSecretValue", "InternalError", "read", "read")
def batch_over_binary(client):
    """BatchGetSecretValue over a binary value that PutSecretValue wrote"""
    secret = Secret(client)
    client.put_secret_value(SecretId=secret.name, SecretBinary=b"\xff", ClientRequestToken=str(uuid.uuid4()))
    values = client.batch_get_secret_value(SecretIdList=[secret.name])["SecretValues"]
    return "read" if [value.get("SecretBinary") for value in values] == [b"\xff"] else "not read"


def client_of(endpoint):
    session = botocore.session.Session()
    return session.create_client(
        "secretsmanager",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=botocore.config.Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


def answer_of(known, client):
    """What a case comes to; where a step on its way is refused, that step's error code."""
    try:
        return known.ask(client)
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]


def table():
    head = ["case", "AWS", "source", "LocalStack 4.14.0", "moto 5.2.5", "ministack 1.5.33"]
    rows = [[known.title, known.aws, known.source, *(known.known[name] for name in EMULATORS)] for known in CASES]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments):
    if arguments == ["--table"]:
        print(table(), end="")
        return 0
    name, endpoint = arguments
    client = client_of(endpoint)
    differing = [] if table() in PAGE.read_text() else [f"{PAGE.name} holds another table than --table prints"]
    for known in CASES:
        answer = answer_of(known, client)
        if answer != known.known[name]:
            differing.append(f"{known.title}: {answer!r}, known was {known.known[name]!r}")
    if differing:
        print("\n".join(differing), file=sys.stderr)
        return 1
    print(f"{name}: {len(CASES)} answers, all as known")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
