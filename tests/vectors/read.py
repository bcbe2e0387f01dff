"""Reads vault files of format 1, written from docs/format.md alone: shares no line with the Rust code.

    read.py [FOLDER ...]      checks each vault that a *.json in FOLDER describes (default: this script's folder)
    read.py --dump VAULT (--key-file FILE | --passphrase-file FILE)      prints what a vault holds, secrets included

Ends with 0 where everything is as described, with 1 and a reason where it is not.
"""

import argparse
import base64
import hashlib
import hmac
import json
import pathlib
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MARKER = bytes.fromhex("5456f7a3")
MAX_PLAINTEXT = 1 << 20
FIELDS = ["user_name", "client_id", "client_secret", "grant_token", "refresh_token", "access_token", "expires_in",
          "redirect_url", "api_domain"]


class Wrong(Exception):
    """The vault, or what is said of it, is not as it should be."""


def require(condition, reason):
    if not condition:
        raise Wrong(reason)


class Bytes:
    """What is left to read."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        require(self.at + count <= len(self.data), "ends too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def left(self):
        return len(self.data) - self.at


def hkdf(key, label):
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=label).derive(key)


def unseal(key, nonce, aad, sealed, what):
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise Wrong(f"{what} does not open") from None


def without_line_end(passphrase):
    line = passphrase.removesuffix(b"\n")
    return line if line == passphrase else line.removesuffix(b"\r")


def read_header(file, key):
    """`key` is the key file's bytes, or the passphrase's. Answers what the header says and holds, and its length."""
    require(file[:8] == b"tknvault", "not a vault")
    head = Bytes(file)
    head.take(8)
    require(head.number(2) == 1, "not format 1")
    length = head.number(2)
    require(length <= 4096 and length <= len(file), "header length beyond the bounds")
    file = file[:length]
    require(hashlib.sha256(file[:-64]).digest() == file[-64:-32], "checksum of the header")
    vault_id, generation = head.take(16), head.number(8)
    kind, source = head.number(1), Bytes(head.take(head.number(2)))
    bound, nonce, wrapped = file[:head.at], head.take(12), head.take(80)
    require(head.at == length - 64, "header length does not fit")
    said = {"vault_id": vault_id.hex(), "generation": generation, "argon2id": None}
    if kind == 0:
        require(len(key) == 32, "a key file holds 32 bytes")
        kek = key
    else:
        require(kind == 1, "unknown key source")
        memory, passes, lanes, salt = source.number(4), source.number(4), source.number(4), source.take(32)
        require(19 * 1024 <= memory <= 1 << 20 and 1 <= passes <= 16 and 1 <= lanes <= 16, "cost beyond the bounds")
        said["argon2id"] = {"memory_kib": memory, "passes": passes, "lanes": lanes, "salt": salt.hex()}
        kek = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(key)
    require(source.left() == 0, "key source length does not fit")
    wrapping_key, mac_key = hkdf(kek, b"tokenvault/1/wrap"), hkdf(kek, b"tokenvault/1/header-mac")
    mac = hmac.digest(mac_key, file[:-32], "sha256")
    require(hmac.compare_digest(mac, file[-32:]), "MAC of the header: wrong key, or changed")
    keys = unseal(wrapping_key, nonce, bound, wrapped, "the wrapped keys")
    said |= {"key_encryption_key": kek.hex(), "wrapping_key": wrapping_key.hex(), "header_mac_key": mac_key.hex(),
             "root_key": keys[:32].hex(), "data_key": keys[32:].hex()}
    return said, length


def name_of(name):
    return "tv" + base64.b32encode(name).decode().rstrip("=").lower()


def read_record(name, data):
    data = Bytes(data)
    require(data.number(1) == 1, "not record format 1")
    record = {
        "name": name_of(name),
        "version": {"sequence": data.number(8), "nonce": data.take(16).hex()},
        "lineage": {"counter": data.number(8), "nonce": data.take(8).hex()},
        "created_at": data.number(8),
        "saved_at": data.number(8),
        "writer": {1: "save", 2: "import"}[data.number(1)],
        "ids": [], "fields": {}, "first_refresh": None,
    }
    while data.left():
        tag, text = data.number(1), data.take(data.number(4))
        if tag == 20:
            record.setdefault("adopted", []).append(name_of(text))
            continue
        if tag == 21:
            record["longest_life"] = int.from_bytes(text, "big")
            continue
        text = text.decode()
        if 1 <= tag <= 9:
            record["fields"][FIELDS[tag - 1]] = text
        elif tag == 16:
            record["ids"].append(text)
        elif tag == 19:
            record["lease"] = text
        elif tag == 17:
            record["first_refresh"] = text
        else:
            require(tag == 18 and not text, "unknown entry in a record")
            record["first_refresh"] = record["fields"]["refresh_token"]
    return record


def read_changes(plaintext, records, deleted):
    data = Bytes(plaintext)
    for _ in range(data.number(2) & 0x7FFF):
        kind, name, time = data.number(1), data.take(16), data.number(8)
        body = data.take(data.number(4))
        records.pop(name, None)
        if kind == 1:
            records[name] = read_record(name, body)
            require(records[name]["saved_at"] == time, "a put's time is not its record's")
        else:
            require(kind == 2 and not body, "a change that is neither put nor tombstone")
            deleted[name] = time
    require(data.left() == 0, "bytes behind the last change")


def read_vault(file, key):
    said, at = read_header(file, key)
    tag, number, records, deleted = hashlib.sha256(file[:at]).digest()[:16], 0, {}, {}
    vault_id, data_key = bytes.fromhex(said["vault_id"]), bytes.fromhex(said["data_key"])
    closed, parts, whole = False, [], (0, at)
    while any(file[at:]):
        head = Bytes(file[at:at + 44])
        require(head.take(4) == MARKER, f"marker of frame {number}")
        length = head.number(4)
        require(18 <= length <= MAX_PLAINTEXT + 16, f"length of frame {number}")
        require(head.number(8) == number and head.take(16) == tag, f"place of frame {number}")
        sealed = file[at + 44:at + 44 + length]
        require(len(sealed) == length, f"frame {number} ends too early")
        aad = (1).to_bytes(2, "big") + vault_id + number.to_bytes(8, "big") + tag
        plaintext = unseal(data_key, head.take(12), aad, sealed, f"frame {number}")
        at, tag, number = at + 44 + length, sealed[-16:], number + 1
        if plaintext[0] & 0x80:
            require(plaintext[:2] != b"\x80\0", f"frame {number - 1} is a part of nothing")
            parts.append(plaintext)
            continue
        closes = plaintext == bytes(2)
        require(closes or not parts, f"frame {number - 1} stands where the parts before it should be closed")
        for change in [*parts, plaintext]:
            read_changes(change, records, deleted)
        closed, parts, whole = closed or closes, [], (number, at)
    require(closed, "the file ends before the frame that closes what it was made with")
    names = ["tv" + base64.b32encode(name).decode().rstrip("=").lower() for name in deleted]
    return said | {
        "frames": whole[0], "bytes": whole[1], "torn_bytes": at - whole[1],
        "records": sorted(records.values(), key=lambda record: record["name"]),
        "deleted": dict(sorted(zip(names, deleted.values()))),
    }


def check(description):
    """Compares a vault with its description. What the description does not mention is not compared."""
    said = json.loads(description.read_text("utf-8"))
    folder = description.parent
    if "key_file" in said:
        key = (folder / said["key_file"]).read_bytes()
    else:
        key = said["passphrase"].encode()
    found = read_vault((folder / said["vault"]).read_bytes(), key)
    for what in said.keys() - {"vault", "key_file", "passphrase", "about"}:
        require(found[what] == said[what], f"{what}: found {found[what]!r}, expected {said[what]!r}")
    require("records" in said, "the description names no records")
    print(f"{description.name}: {found['frames']} frames, {len(found['records'])} records, as described")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="*", type=pathlib.Path, default=[pathlib.Path(__file__).parent])
    parser.add_argument("--dump", type=pathlib.Path)
    parser.add_argument("--key-file", type=pathlib.Path)
    parser.add_argument("--passphrase-file", type=pathlib.Path)
    given = parser.parse_args()
    if given.dump:
        if bool(given.key_file) == bool(given.passphrase_file):
            parser.error("one of --key-file and --passphrase-file, please")
        key = given.key_file.read_bytes() if given.key_file else without_line_end(given.passphrase_file.read_bytes())
        print(json.dumps(read_vault(given.dump.read_bytes(), key), ensure_ascii=False, indent=1))
        return
    for folder in given.folder:
        descriptions = sorted(folder.glob("*.json"))
        require(descriptions, f"no vault is described in {folder}")
        for description in descriptions:
            try:
                check(description)
            except (Wrong, ValueError, KeyError) as reason:
                raise Wrong(f"{description}: {reason}") from reason


if __name__ == "__main__":
    try:
        main()
    except (Wrong, OSError) as reason:
        sys.exit(f"not as it should be: {reason}")
