#!/usr/bin/env python3
"""Verifies a Gatelog log, live or exported: every event is in the tree that the log's key has signed, and the tree goes
on from the one that was verified before. Python's standard library is all that it needs.

    verify.py --vkey KEY --state FILE --url https://id.example.com --token-file FILE
    verify.py --vkey KEY --state FILE --export FOLDER        (events.ndjson and checkpoint)

Formats: C2SP signed-note and tlog-checkpoint; hashes: RFC 6962, section 2.1; signatures: Ed25519, RFC 8032."""

import argparse, base64, hashlib, json, os, sys, urllib.request

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
L = 2**252 + 27742317777372353535851937790883648493
BASE_Y = 4 * pow(5, -1, P) % P


class Refused(Exception):
    """Why the log is not to be believed."""


def decompress(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        raise Refused("a signature has a point that is not on the curve")
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(n, p):
    q = 0, 1, 1, 0
    for bit in bin(n)[2:]:
        q = add(q, q)
        q = add(q, p) if bit == "1" else q
    return q


def ed25519_accepts(key, message, signature):
    if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= L:
        return False
    r, a = decompress(signature[:32]), decompress(key)
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left = multiply(int.from_bytes(signature[32:], "little"), decompress(BASE_Y.to_bytes(32, "little")))
    right = add(r, multiply(k, a))
    return not any((left[i] * right[2] - right[i] * left[2]) % P for i in (0, 1))


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
            if ed25519_accepts(key[1:], text.encode(), signature[4:]):
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


def fetch(url, token, accept):
    headers = {"Authorization": f"Bearer {token}", "Accept": accept}
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("vkey", "state", "url", "token-file", "export"):
        parser.add_argument(f"--{name}", required=name == "vkey")
    args = parser.parse_args()
    if args.url:
        with open(args.token_file) as file:
            token = file.read().strip()
        note = fetch(f"{args.url}/v1/audit/log/checkpoint", token, "text/plain").read().decode()
        lines = fetch(f"{args.url}/v1/audit/events", token, "application/x-ndjson")
    else:
        with open(os.path.join(args.export, "checkpoint")) as file:
            note = file.read()
        lines = open(os.path.join(args.export, "events.ndjson"), "rb")
    checkpoint = open_checkpoint(note, args.vkey)
    older = (0, hashlib.sha256(b"").digest())
    if args.state and os.path.exists(args.state):
        with open(args.state) as file:
            older = open_checkpoint(file.read(), args.vkey)
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
