"""Times the stores that tokenvault is compared with: the SDK's Python FileStore and Kaizen 192's SQLite store.

Usage: peers.py [--out target/figures/peers.json] [--tokens 10,1000,10000,100000]

Needs the packages of benches/requirements.txt. The stores' files lie beside the output for the time of the run, so that
they are on the disk under test and not in a temporary folder that may be memory. figures.py has the output's schema.

Every store holds the same tokens (see `token_row`) and is asked for the same users in the same random order. The time is
that of the call alone: the token that is passed in is made before, the answer checked after. A save updates the token of
a user, given in full with a new access token. FileStore never syncs, so its saves are not durable; SQLite's are. Beside
each save a bare durable append is timed, so that a disk that was busier in one run than in another shows.
"""

import argparse
import csv
import hashlib
import json
import os
import platform
import random
import statistics
import tempfile
import time
from pathlib import Path

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store.file_store import FileStore
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from kaizen_sqlite import COLUMNS, KaizenSqliteStore

TOKEN_COUNTS = (10, 1_000, 10_000, 100_000)
OPERATIONS = ("find by user", "find by id", "save")
SEED = 192
LEAST_REPETITIONS = 5
MOST_REPETITIONS = 300
SECONDS_PER_CELL = 6.0


def token_row(number):
    """One token, in the order of COLUMNS: some 420 bytes, with parts as long as Zoho's own."""
    def secret(kind):
        digest = hashlib.sha256(f"{kind} {number}".encode()).hexdigest()
        return f"1000.{digest[:32]}.{digest[32:]}"

    return (
        str(number), f"user{number:06}@example.com:{60_000_000_000 + number}", "1000.BENCHMARKBENCHMARKBENCHMARK0001",
        "0123456789abcdef0123456789abcdef0123456789", secret("refresh"), secret("access"), "", "1795311652321",
        "https://app.example.com/oauth/callback", "https://www.zohoapis.com",
    )


def renewed(row):
    """The row with another access token, as after a refresh; never the same one twice."""
    fields = dict(zip(COLUMNS, row))
    fields["access_token"] = f"1000.{os.urandom(16).hex()}.{os.urandom(16).hex()}"
    return fields


class FileStorePeer:
    """The SDK's own FileStore, called as the SDK calls it; it needs no initialised SDK."""

    name = "python FileStore"
    durable = False

    def __init__(self, folder, rows):
        path = os.path.join(folder, "tokens.csv")
        self.store = FileStore(path)  # writes the header
        with open(path, "a", newline="") as file:
            csv.writer(file).writerows(rows)

    def call(self, operation, row):
        """The call to time."""
        if operation == "find by id":
            return lambda: self.store.find_token_by_id(row[0])
        if operation == "find by user":
            token = OAuthToken(user_signature=UserSignature(row[1]))
            return lambda: self.store.find_token(token)
        given = renewed(row)
        token = OAuthToken(
            user_signature=UserSignature(row[1]), client_id=row[2], client_secret=row[3], refresh_token=row[4],
            access_token=given["access_token"], redirect_url=row[8])
        token.set_expires_in(row[7])
        token.set_api_domain(row[9])
        return lambda: self.store.save_token(token) or token

    @staticmethod
    def secrets_of(token):
        return token.get_id(), token.get_refresh_token(), token.get_access_token()


class KaizenSqlitePeer:
    """The store of Zoho's article Kaizen 192, see kaizen_sqlite.py."""

    name = "Kaizen SQLite"
    durable = True

    def __init__(self, folder, rows):
        self.store = KaizenSqliteStore(os.path.join(folder, "zohooauth.db"))
        self.store.populate([tuple(field or None for field in row) for row in rows])

    def call(self, operation, row):
        """The call to time."""
        if operation == "find by id":
            return lambda: self.store.find_token_by_id(row[0])
        if operation == "find by user":
            return lambda: self.store.find_token({"user_name": row[1]})
        token = {column: value or None for column, value in renewed(row).items() if column != "id"}
        return lambda: self.store.save_token(token) or {"id": row[0], **token}

    @staticmethod
    def secrets_of(token):
        return token["id"], token["refresh_token"], token["access_token"]


def check(peer, operation, row, answer):
    """A store that is fast because it answers the wrong token must not get into a table."""
    token_id, refresh_token, access_token = peer.secrets_of(answer)
    if (token_id, refresh_token) != (row[0], row[4]):
        raise SystemExit(f"{peer.name}: {operation} answered another token than the one asked for")
    if operation == "save":
        stored = peer.secrets_of(peer.store.find_token_by_id(row[0]))
        if stored != (row[0], row[4], access_token):
            raise SystemExit(f"{peer.name}: a saved token does not read back")


def bare_append(folder):
    """Nanoseconds of one append of 1 KiB and its sync."""
    file = os.open(os.path.join(folder, "append"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        begin = time.perf_counter_ns()
        os.write(file, bytes(1_024))
        getattr(os, "fdatasync", os.fsync)(file)
        return time.perf_counter_ns() - begin
    finally:
        os.close(file)


def measure(peer, operation, rows, folder):
    """One cell of the table; its first call only warms up."""
    choice = random.Random(SEED)
    times, appends = [], []
    os.sync()  # what was written before is not this cell's to pay for
    until = time.monotonic() + SECONDS_PER_CELL
    while len(times) <= LEAST_REPETITIONS or (len(times) <= MOST_REPETITIONS and time.monotonic() < until):
        row = choice.choice(rows)
        call = peer.call(operation, row)
        begin = time.perf_counter_ns()
        answer = call()
        times.append(time.perf_counter_ns() - begin)
        check(peer, operation, row, answer)
        if operation == "save" and peer.durable:
            appends.append(bare_append(folder))
    cell = result(peer.name, len(rows), operation, times[1:])
    if appends:
        cell["bare_append_us"] = round(statistics.median(appends[1:]) / 1_000, 3)
    return cell


def result(store, tokens, operation, times):
    ordered = sorted(times)
    return {
        "store": store, "tokens": tokens, "operation": operation,
        "median_us": round(statistics.median(ordered) / 1_000, 3),
        "p90_us": round(ordered[-(-9 * len(ordered) // 10) - 1] / 1_000, 3),
        "repetitions": len(ordered),
    }


def host():
    """What a reader needs to judge the figures; nothing that names the machine or its folders."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {
        "cpu": model, "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}", "measured_at": int(time.time()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("target/figures/peers.json"))
    parser.add_argument("--tokens", type=lambda text: [int(count) for count in text.split(",")], default=TOKEN_COUNTS)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    results = []
    for tokens in options.tokens:
        rows = [token_row(number) for number in range(1, tokens + 1)]
        for make_peer in (KaizenSqlitePeer, FileStorePeer):
            with tempfile.TemporaryDirectory(dir=options.out.parent, prefix="peers-") as folder:
                peer = make_peer(folder, rows)
                for operation in OPERATIONS:
                    results.append(measure(peer, operation, rows, folder))
                    print("{store}, {tokens} tokens, {operation}: {median_us} us ({repetitions} times)".format(**results[-1]))
    options.out.write_text(json.dumps({"host": host(), "results": results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
