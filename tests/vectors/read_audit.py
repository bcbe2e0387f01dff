"""Checks the audit trails that lie beside vaults, written from docs/audit.md alone: shares no line with the Rust code.

    read_audit.py FOLDER      checks each NAME.audit in FOLDER, whose vault is NAME.tv and opens by NAME.key

Ends with 0 where every chain is intact, and where each changed copy of the trail is found to be changed.
"""

import hmac
import json
import pathlib
import re
import sys

from read import Wrong, hkdf, read_header, require

END = re.compile(rb',"mac":"([0-9a-f]{64})"}')


def verify(trail, chain_key):
    """Answers the lines, in order, where every chain is whole."""
    known, chains, lines = set(), {}, []
    for text in trail.splitlines():
        body, end = text[:-74], END.fullmatch(text[-74:])
        require(end, "a line does not end with its MAC")
        mac, line = end[1].decode(), json.loads(text)
        chain = chains.setdefault(line["chain"], {"mac": bytes(32), "next": 0, "ended": False})
        require(not chain["ended"], "a line behind the end of its chain")
        require(line["seq"] == chain["next"], "a line is missing, or out of its place")
        require(hmac.compare_digest(hmac.digest(chain_key, chain["mac"] + body, "sha256").hex(), mac), "a line was changed")
        require("before" not in line or line["before"] in known, "a line names one that is not here")
        chain["mac"], chain["next"], chain["ended"] = bytes.fromhex(mac), line["seq"] + 1, line["kind"] == "end"
        known.add(mac)
        lines.append(line)
    require(all(chain["ended"] for chain in chains.values()), "a chain has no end")
    return lines


def is_found(trail, chain_key):
    try:
        verify(trail, chain_key)
    except (Wrong, ValueError, KeyError):
        return True
    return False


def check(path):
    header, _ = read_header(path.with_suffix(".tv").read_bytes(), path.with_suffix(".key").read_bytes())
    audit_key = hkdf(bytes.fromhex(header["root_key"]), b"tokenvault/1/audit")
    chain_key = hkdf(audit_key, b"tokenvault/1/audit-chain")
    hash_key = hkdf(audit_key, b"tokenvault/1/audit-hash")
    trail = path.read_bytes()
    lines = verify(trail, chain_key)
    users = {line.get("user_hash") for line in lines}
    ada = hmac.digest(hash_key, b"user\0" + "ada".encode(), "sha256")[:16].hex()
    require(ada in users, "nobody asked for ada, or her hash is another")
    require(lines[0]["key"] == hmac.digest(hash_key, b"key\0", "sha256")[:16].hex(), "the key's id is another")
    texts = trail.splitlines(keepends=True)
    for at in range(len(texts)):
        require(is_found(b"".join(texts[:at] + texts[at + 1:]), chain_key), f"line {at} was removed, and nobody saw it")
        require(is_found(b"".join(texts[:at + 1] + texts[at:]), chain_key), f"line {at} was doubled, and nobody saw it")
        for place in range(0, len(texts[at]) - 1, 7):
            changed = bytearray(texts[at])
            changed[place] ^= 1
            require(is_found(b"".join(texts[:at]) + changed + b"".join(texts[at + 1:]), chain_key),
                    f"byte {place} of line {at} was changed, and nobody saw it")
    print(f"{path.name}: {len(lines)} lines, as they were written")


def main():
    trails = sorted(pathlib.Path(sys.argv[1]).glob("*.audit"))
    require(trails, "there is no trail")
    for path in trails:
        check(path)


if __name__ == "__main__":
    try:
        main()
    except (Wrong, OSError) as reason:
        sys.exit(f"not as it should be: {reason}")
