#!/usr/bin/env python3
"""Writes golden.json, the contract of the mapping key -> shard -> node.

It knows nothing of the Go code: it computes with hashlib's BLAKE2b from the
words of the contract, so that the two can only agree by both being right.

    digest(x)          = BLAKE2b of 8 bytes, without a key, as a big-endian number
    prefix(seed)       = seed 0x00, or nothing where the seed is empty
    shard(key)         = digest(prefix(seed) key) modulo the shard count, in 64 bits
    score(shard, node) = digest(prefix(seed) "shard:<shard in decimal>" 0x00 node)
    owner(shard)       = the node with the highest score; of equal scores the
                         first of the node IDs in ascending order of bytes
    fingerprint        = digest("clstr layout: blake2b-64 rendezvous" 0x00
                         <shard count in decimal> 0x00 seed), or 1 for 0

Run it in this folder: python3 golden.py > golden.json
"""
import hashlib
import json
import random


def digest(x):
    return int.from_bytes(hashlib.blake2b(x, digest_size=8).digest(), "big")


def prefix(seed):
    return seed + b"\x00" if seed else b""


def shard(key, count, seed):
    return digest(prefix(seed) + key) % count


def score(n, node, seed):
    return digest(prefix(seed) + b"shard:%d\x00" % n + node)


def owner(n, nodes, seed):
    return max(sorted(set(nodes)), key=lambda node: score(n, node, seed))  # of equal ones the first


def fingerprint(count, seed):
    return max(digest(b"clstr layout: blake2b-64 rendezvous\x00%d\x00" % count + seed), 1)


SEEDS = [b"", b"prod", b"seed", b"s\x00eed", b"\xff\xfe", "зерно".encode(), b"x" * 200]
COUNTS = [1, 2, 3, 64, 100, 256, 1000, 4096, 65535, 1 << 20]


def keys():
    yield b""
    yield from (b"a", b"user-123", b"a b", b"a.b.>", b"*", b"..", b"shard:7", b"a\r\nb", b"prod\x00user-123")
    yield from ("ключ".encode(), "鍵".encode(), "e\u0301".encode(), "\u00e9".encode(), "\U0001f511".encode())
    yield from (b"\x00", b"\x00\x00", b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", bytes(range(256)))
    # BLAKE2b works on blocks of 128 bytes.
    yield from (b"k" * n for n in (127, 128, 129, 255, 256, 257, 1024, 4096))
    rng = random.Random(1)
    for _ in range(40):
        yield rng.randbytes(rng.randrange(1, 64))
    yield from (b"user-%d" % n for n in range(40))


def node_sets():
    yield [b"node-1"]
    yield [b"node-1", b"node-2"]
    yield [b"c", b"a", b"b"]
    yield [b"node-%d" % n for n in range(12)]  # node-10 sorts before node-2
    yield [b"\xff", b"\x00", b"a b", b"", "узел".encode()]
    yield [b"twice", b"once", b"twice"]


def main():
    out = {
        "about": "Computed by golden.py with Python's hashlib.blake2b(digest_size=8), without the Go code. "
        "All byte strings are hex. Never change a line: clients and nodes of any version must agree.",
        "counts": COUNTS,
        "seeds": [s.hex() for s in SEEDS],
        "keys": [
            {"key": k.hex(), "seed": s.hex(), "shards": [shard(k, c, s) for c in COUNTS]}
            for i, k in enumerate(keys())
            for s in (SEEDS if i < 12 else [b"", SEEDS[1 + i % (len(SEEDS) - 1)]])
        ],
        "nodes": [
            {
                "nodes": [n.hex() for n in nodes],
                "seed": s.hex(),
                "owners": [owner(n, nodes, s).hex() for n in range(32)],
            }
            for nodes in node_sets()
            for s in SEEDS[:3]
        ],
        "fingerprints": [
            {"count": c, "seed": s.hex(), "fingerprint": "%016x" % fingerprint(c, s)} for c in COUNTS for s in SEEDS
        ],
    }
    # One entry a line, so that a difference shows where it is.
    parts = []
    for name, value in out.items():
        if name in ("keys", "nodes", "fingerprints"):
            lines = ",\n".join("\t\t" + json.dumps(v) for v in value)
            parts.append('\t%s: [\n%s\n\t]' % (json.dumps(name), lines))
        else:
            parts.append("\t%s: %s" % (json.dumps(name), json.dumps(value)))
    print("{\n" + ",\n".join(parts) + "\n}")


if __name__ == "__main__":
    main()
