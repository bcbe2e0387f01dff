"""Made the vectors beside it, once. Vectors are never edited and never made again: a format change adds new ones.

It is kept so that one can see what they hold and why. It makes what is missing, and writes over nothing.
"""

import base64
import hashlib
import hmac
import json
import pathlib

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HERE = pathlib.Path(__file__).parent
TAGS = {"user_name": 1, "client_id": 2, "client_secret": 3, "grant_token": 4, "refresh_token": 5, "access_token": 6,
        "expires_in": 7, "redirect_url": 8, "api_domain": 9}
CLOSING = []  # the frame without changes behind what the file was made with, or behind a commit's parts


class Part(list):
    """The changes of a frame that is a part of a commit."""


START = 1_795_311_652_000_000  # a day in November 2026, in microseconds


def fixed(label, size):
    """Bytes that stand in for random ones, so that the vectors can be traced to their labels."""
    return hashlib.shake_256(b"tokenvault vectors, format 1: " + label.encode()).digest(size)


def be(number, size):
    return number.to_bytes(size, "big")


def hkdf(key, label):
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=label).derive(key)


def header(label, generation, kind, source, kek):
    root_key, data_key, nonce = fixed(label + " root", 32), fixed(label + " data", 32), fixed(label + " wrap nonce", 12)
    vault_id = fixed(label + " vault", 16)
    length = 39 + len(source) + 12 + 80 + 32 + 32
    bound = (b"tknvault" + be(1, 2) + be(length, 2) + vault_id + be(generation, 8) + be(kind, 1) + be(len(source), 2)
             + source)
    out = bound + nonce + AESGCM(hkdf(kek, b"tokenvault/1/wrap")).encrypt(nonce, root_key + data_key, bound)
    out += hashlib.sha256(out).digest()
    out += hmac.digest(hkdf(kek, b"tokenvault/1/header-mac"), out, "sha256")
    said = {"vault_id": vault_id.hex(), "generation": generation, "key_encryption_key": kek.hex(),
            "wrapping_key": hkdf(kek, b"tokenvault/1/wrap").hex(),
            "header_mac_key": hkdf(kek, b"tokenvault/1/header-mac").hex(),
            "root_key": root_key.hex(), "data_key": data_key.hex()}
    return out, said


def record(label, number, fields, ids=(), first_refresh=None, sequence=1, counter=1, writer="save"):
    name = fixed(label + " name", 16)
    return {
        "name": "tv" + base64.b32encode(name).decode().rstrip("=").lower(),
        "version": {"sequence": sequence, "nonce": fixed(f"{label} version {sequence}", 16).hex()},
        "lineage": {"counter": counter, "nonce": fixed(f"{label} lineage {counter}", 8).hex()},
        "created_at": START + number * 1_000_000,
        "saved_at": START + number * 1_000_000 + (sequence - 1) * 3_600_000_001,
        "writer": writer, "ids": list(ids), "fields": fields, "first_refresh": first_refresh,
    }


def entry(tag, text):
    return be(tag, 1) + be(len(text.encode()), 4) + text.encode()


def record_bytes(record):
    out = be(1, 1) + be(record["version"]["sequence"], 8) + bytes.fromhex(record["version"]["nonce"])
    out += be(record["lineage"]["counter"], 8) + bytes.fromhex(record["lineage"]["nonce"])
    out += be(record["created_at"], 8) + be(record["saved_at"], 8) + be({"save": 1, "import": 2}[record["writer"]], 1)
    for field, tag in TAGS.items():
        if field in record["fields"]:
            out += entry(tag, record["fields"][field])
    for brought in record["ids"]:
        out += entry(16, brought)
    if record["first_refresh"] == record["fields"].get("refresh_token") and record["first_refresh"] is not None:
        out += entry(18, "")
    elif record["first_refresh"] is not None:
        out += entry(17, record["first_refresh"])
    return out


def name_bytes(name):
    return base64.b32decode(name[2:].upper() + "=" * 6)


def put(record):
    body = record_bytes(record)
    return be(1, 1) + name_bytes(record["name"]) + be(record["saved_at"], 8) + be(len(body), 4) + body


def tombstone(name, time):
    return be(2, 1) + name_bytes(name) + be(time, 8) + be(0, 4)


def frames(label, head, said, contents):
    out, tag = head, hashlib.sha256(head).digest()[:16]
    for number, changes in enumerate(contents):
        nonce = fixed(f"{label} frame {number}", 12)
        aad = be(1, 2) + bytes.fromhex(said["vault_id"]) + be(number, 8) + tag
        plaintext = be(len(changes) + (0x8000 if isinstance(changes, Part) else 0), 2) + b"".join(changes)
        sealed = AESGCM(bytes.fromhex(said["data_key"])).encrypt(nonce, plaintext, aad)
        out += bytes.fromhex("5456f7a3") + be(len(sealed), 4) + be(number, 8) + tag + nonce + sealed
        tag = sealed[-16:]
    return out, said | {"frames": len(contents), "bytes": len(out)}


def write(name, data):
    with open(HERE / name, "xb") as file:
        file.write(data)


def describe(name, about, said, live, deleted):
    said = {"about": about, "vault": f"{name}.tv"} | said
    said |= {"records": sorted(live, key=lambda record: record["name"]), "deleted": dict(sorted(deleted.items()))}
    write(f"{name}.json", (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode())


def full_fields(user, refresh, access, minutes):
    return {
        "user_name": user, "client_id": "1000.CLIENT", "client_secret": "secret-of-the-client",
        "grant_token": "1000.grant." + user, "refresh_token": refresh, "access_token": access,
        "expires_in": str(START // 1000 + minutes * 60_000), "redirect_url": "https://example.com/callback?a=1&b=2",
        "api_domain": "https://www.zohoapis.eu",
    }


def keyfile_vector():
    label, name = "keyfile", "v1-keyfile"
    key = fixed(label + " key", 32)
    head, said = header(label, 3, 0, b"", key)
    ada = record("ada", 0, full_fields("ada@example.com", "1000.r1", "1000.a1", 60), ["1", "../2"], "1000.r1")
    # Refreshed twice: the provider rotated the refresh token, so the first is kept beside it.
    ada_2 = record("ada", 0, full_fields("ada@example.com", "1000.r2", "1000.a2", 120), ["1", "../2"], "1000.r1", 2)
    bob = record("bob", 1, {"access_token": "1000.bob"})
    unicode = record("unicode", 2, {
        "user_name": "Zoë Ωmega 漢字 😀", "client_id": "1000.CLIENT", "grant_token": "tab\tquote\"comma,line\r\nnul\0end",
    }, ["ключ 🔑"])
    eve = record("eve", 3, full_fields("eve@example.com", "1000.e1", "1000.ea1", 60), ["3"], "1000.e1", writer="import")
    # Signed in anew, and refreshed, in one frame: changes apply in their order.
    eve_2 = record("eve", 3, full_fields("eve@example.com", "1000.e2", "1000.ea2", 90), ["3"], "1000.e2", 2, 2)
    eve_3 = record("eve", 3, full_fields("eve@example.com", "1000.e2", "1000.ea3", 150), ["3"], "1000.e2", 3, 2)
    deleted_at = START + 7_200_000_000
    out, said = frames(label, head, said, [
        [put(ada), put(bob), put(unicode)],
        CLOSING,
        [put(ada_2), tombstone(bob["name"], deleted_at)],
        [put(eve)],
        [put(eve_2), put(eve_3)],
    ])
    write(f"{name}.key", key)
    write(f"{name}.tv", out + bytes(4096))
    about = "Key file; several changes in one frame, records written over, a tombstone, room allocated behind the end."
    said = {"key_file": f"{name}.key"} | said | {"argon2id": None}
    describe(name, about, said, [ada_2, unicode, eve_3], {bob["name"]: deleted_at})


def passphrase_vector():
    label, name, passphrase = "passphrase", "v1-passphrase", "correct horse battery stäple"
    salt = fixed(label + " salt", 32)
    kek = Argon2id(salt=salt, length=32, iterations=1, lanes=1, memory_cost=19 * 1024).derive(passphrase.encode())
    head, said = header(label, 1, 1, be(19 * 1024, 4) + be(1, 4) + be(1, 4) + salt, kek)
    dan = record("dan", 0, full_fields("dan@example.com", "1000.d1", "1000.da1", 60), [], "1000.d1")
    finn = record("finn", 1, {"user_name": "finn", "client_id": "c", "refresh_token": "1000.f1"}, ["42"])
    deleted_at = START + 60_000_000
    out, said = frames(label, head, said, [CLOSING, [put(dan)], [put(finn)], [tombstone(dan["name"], deleted_at)]])
    write(f"{name}.tv", out)
    about = "Passphrase, Argon2id at its least cost; the last frame is a tombstone; nothing behind it."
    cost = {"memory_kib": 19 * 1024, "passes": 1, "lanes": 1, "salt": salt.hex()}
    said = {"passphrase": passphrase} | said | {"argon2id": cost}
    describe(name, about, said, [finn], {dan["name"]: deleted_at})


def parts_vector():
    label, name = "parts", "v1-parts"
    key = fixed(label + " key", 32)
    head, said = header(label, 1, 0, b"", key)
    gus = record("gus", 0, {"user_name": "gus", "client_id": "c", "refresh_token": "1000.g1"}, ["1"], "1000.g1")
    hal, ivy, jo, kit = (
        record(who, 1, {"user_name": who, "client_id": "c", "access_token": f"1000.{who}"}, [who], writer="import")
        for who in ("hal", "ivy", "jo", "kit"))
    deleted_at = START + 30_000_000
    out, said = frames(label, head, said, [
        CLOSING, [put(gus)], Part([put(hal)]), Part([tombstone(gus["name"], deleted_at), put(ivy)]), CLOSING, [put(jo)],
        # Never closed: none of it counts.
        Part([put(kit)]), Part([tombstone(hal["name"], deleted_at)])])
    whole = frames(label, head, {**said}, [CLOSING, [put(gus)], Part([put(hal)]),
                                           Part([tombstone(gus["name"], deleted_at), put(ivy)]), CLOSING, [put(jo)]])[1]
    said |= {"frames": whole["frames"], "bytes": whole["bytes"], "torn_bytes": len(out) - whole["bytes"]}
    write(f"{name}.key", key)
    write(f"{name}.tv", out + bytes(500))
    about = "Key file; a commit in parts, one behind it, then parts that are not closed, and zeros."
    describe(name, about, {"key_file": f"{name}.key"} | said | {"argon2id": None}, [hal, ivy, jo],
             {gus["name"]: deleted_at})


for vector, make in {"v1-keyfile": keyfile_vector, "v1-passphrase": passphrase_vector, "v1-parts": parts_vector}.items():
    if not (HERE / f"{vector}.tv").exists():
        make()
