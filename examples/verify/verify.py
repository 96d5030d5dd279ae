#!/usr/bin/env python3
"""Verifies a Gatelog log, live or exported: every event is in the tree that the log's key has signed, and the tree goes
on from the one that was verified before. Python's standard library and ed25519.py beside it are all that it needs.

    verify.py --vkey KEY --state FILE --url https://id.example.com --token-file FILE
    verify.py --vkey KEY --state FILE --export FOLDER        (events.ndjson and checkpoint)

Formats: C2SP signed-note and tlog-checkpoint; hashes: RFC 6962, section 2.1; signatures: Ed25519, RFC 8032."""

import argparse, base64, hashlib, json, os, sys, urllib.error, urllib.request

import ed25519


class Refused(Exception):
    """Why the log is not to be believed."""


def open_checkpoint(note, vkey):
    """The size and the root that the key has signed."""
    name, key_id, encoded = vkey.strip().split("+", 2)
    key = base64.b64decode(encoded)
    if key[:1] != b"\x01" or hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8] != key_id:
        raise Refused("--vkey is not an Ed25519 key of a signed note")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        signature = base64.b64decode(signature)
        if dash == "\u2014" and signer == name and signature[:4].hex() == key_id:
            if ed25519.accepts(key[1:], text.encode(), signature[4:]):
                origin, size, root = text.split("\n")[:3]
                if origin != name:
                    raise Refused("the checkpoint is of another log")
                return int(size), base64.b64decode(root)
    raise Refused("the checkpoint is not signed by the key")


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def push(peaks, line):
    """Appends a leaf to the complete subtrees of a tree, each with its size."""
    size, leaf = 1, hashlib.sha256(b"\x00" + line).digest()
    while peaks and peaks[-1][0] == size:
        size, leaf = size * 2, node(peaks.pop()[1], leaf)
    peaks.append((size, leaf))


def root_of(peaks):
    hashes = [leaf for _, leaf in peaks]
    root = hashes.pop() if hashes else hashlib.sha256(b"").digest()
    while hashes:
        root = node(hashes.pop(), root)
    return root


def verify(lines, checkpoint, older):
    """Holds the lines against both checkpoints."""
    size, root = checkpoint
    if size < older[0]:
        raise Refused(f"rollback: {size} events, {older[0]} were verified before")
    peaks = []
    for n in range(size + 1):
        if n == older[0] and root_of(peaks) != older[1]:
            raise Refused(f"fork: the first {n} events are not those that were verified before")
        if n < size:
            line = lines.readline()
            if not line.endswith(b"\n"):
                raise Refused(f"there are {n} events, the checkpoint has {size}")
            push(peaks, line[:-1])
            if json.loads(line)["position"] != n + 1:
                raise Refused(f"event {n + 1} is out of its place")
    if root_of(peaks) != root:
        raise Refused(f"the {size} events are not those that were signed")


def fetch(url, token, accept, size):
    """Asks any node: one that has not heard of so many events waits for them, and then gives what it has."""
    headers = {"Authorization": f"Bearer {token}", "Accept": accept, "Gatelog-Min-Position": str(size)}
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers))
    except urllib.error.HTTPError as error:
        if error.code != 503 or not size:
            raise
        return fetch(url, token, accept, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("vkey", "state", "url", "token-file", "export"):
        parser.add_argument(f"--{name}", required=name == "vkey")
    args = parser.parse_args()
    older = (0, hashlib.sha256(b"").digest())
    if args.state and os.path.exists(args.state):
        with open(args.state) as file:
            older = open_checkpoint(file.read(), args.vkey)
    if args.url:
        with open(args.token_file) as file:
            token = file.read().strip()
        note = fetch(f"{args.url}/v1/audit/log/checkpoint", token, "text/plain", older[0]).read().decode()
    else:
        with open(os.path.join(args.export, "checkpoint")) as file:
            note = file.read()
    checkpoint = open_checkpoint(note, args.vkey)
    if args.url:
        lines = fetch(f"{args.url}/v1/audit/events", token, "application/x-ndjson", checkpoint[0])
    else:
        lines = open(os.path.join(args.export, "events.ndjson"), "rb")
    verify(lines, checkpoint, older)
    if args.state:
        with open(args.state + ".new", "w") as file:
            file.write(note)
        os.replace(args.state + ".new", args.state)
    print(f"verified: {checkpoint[0]} events, root {checkpoint[1].hex()}")


if __name__ == "__main__":
    try:
        main()
    except (Refused, ValueError, KeyError, OSError) as error:
        sys.exit(f"refused: {error}")
