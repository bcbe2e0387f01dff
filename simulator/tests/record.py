#!/usr/bin/env python3
"""Records replies of a LocalStack into tests/recorded: python3 record.py http://127.0.0.1:4566

Each file holds requests in their order; the recorder sends them and writes the replies beside them. A text such as
"{0.ARN}" in a request stands for a member of an earlier reply. Only what LocalStack answers as AWS does belongs there:
RULES.md says what AWS does. The file's secrets must not exist beforehand and are deleted afterwards.
"""

import json
import pathlib
import re
import sys
import urllib.error
import urllib.request

FOLDER = pathlib.Path(__file__).parent / "recorded"
SCOPE = "test/20260101/us-east-1/secretsmanager/aws4_request"


def call(endpoint, operation, body):
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"secretsmanager.{operation}",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host, Signature=0",
    }
    request = urllib.request.Request(endpoint, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as refused:
        body = json.load(refused)
        message = body.get("Message", body.get("message"))
        return refused.code, {"__type": body["__type"].split("#")[-1], "Message": message}


def filled(value, replies):
    if isinstance(value, dict):
        return {name: filled(member, replies) for name, member in value.items()}
    if isinstance(value, list):
        return [filled(entry, replies) for entry in value]
    if isinstance(value, str):
        return re.sub(r"\{(\d+)\.(\w+)\}", lambda found: replies[int(found[1])][found[2]], value)
    return value


def record(endpoint, path):
    calls = json.loads(path.read_text())
    replies, names = [], []
    for one in calls:
        one["status"], one["reply"] = call(endpoint, one["operation"], filled(one["request"], replies))
        replies.append(one["reply"])
        if one["operation"] == "CreateSecret" and one["status"] == 200:
            names.append(one["request"]["Name"])
    for name in names:
        call(endpoint, "DeleteSecret", {"SecretId": name, "ForceDeleteWithoutRecovery": True})
    path.write_text(json.dumps(calls, indent=2) + "\n")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for path in sorted(FOLDER.glob("*.json")):
        record(sys.argv[1], path)
        print(path.name)


if __name__ == "__main__":
    main()
