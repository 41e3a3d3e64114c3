"""Makes the compact swap vectors of this folder from the full ones.

    python tests/data/compact_vectors.py SOURCE_FOLDER

One `<venue>.xz` per `<venue>.json.gz` with pools of our own: a line of JSON, then the raw bytes of
all accounts, one after the other.

    {"program", "pools": [{"name", "pool", "mints": [first, second],
        "accounts": [[address, owner, length]],
        "cases": [[clock, [swap]]], "chain": [[clock, swap]]}]}

`clock` is [slot, unix time, epoch]. `swap` is [input, kind, amount, other]: `input` 0 or 1 names
the mint paid in, `kind` 0 is exact in, 1 exact out and 2 partial fill, `amount` is what that fixes
and `other` what the program moved on the other side (of a partial fill both, in and out, and so
where liquidity ended before `amount` was met); `other` is missing where the program refused. Pools
that are not ours to publish (`own`) are left out, and so are accounts that no quote reads (price
oracles).
"""

import base64
import gzip
import json
import lzma
import sys
from pathlib import Path
from typing import Any

KINDS = ("exact_in", "exact_out", "partial_fill")
FIXED = ("amountIn", "amountOut", "")
BOTH = ("amountIn", "amountOut")
ORACLE_LENGTHS = (4075, 3232, 4483)


def _clock(clock: dict[str, int]) -> list[int]:
    return [clock["slot"], clock["unixTimestamp"], clock["epoch"]]


def _swap(swap: dict[str, Any], mints: list[str]) -> list[int]:
    kind = KINDS.index(swap["kind"])
    moved = [] if "error" in swap else [swap[side] for side in BOTH]
    if moved and swap.get(FIXED[kind]) == swap["amount"]:
        moved = [swap[side] for side in BOTH if side != FIXED[kind]]
    return [mints.index(swap["input"]), kind, swap["amount"], *moved]


def _compact(full: dict[str, Any]) -> bytes:
    pools, blob = [], bytearray()
    for pool in full["pools"]:
        if not pool["own"]:
            continue
        accounts = []
        for address, account in pool["accounts"].items():
            data = base64.b64decode(account["data"])
            if len(data) not in ORACLE_LENGTHS:
                accounts.append([address, account["owner"], len(data)])
                blob += data
        mints = pool["mints"]
        pools.append(
            {
                "name": pool["name"],
                "pool": pool["pool"],
                "mints": mints,
                "accounts": accounts,
                "cases": [
                    [_clock(case["clock"]), [_swap(swap, mints) for swap in case["swaps"]]]
                    for case in pool["cases"]
                ],
                "chain": [[_clock(swap["clock"]), _swap(swap, mints)] for swap in pool["chain"]],
            }
        )
    head = json.dumps({"program": full["program"], "pools": pools}, separators=(",", ":"))
    return head.encode() + b"\n" + bytes(blob)


if __name__ == "__main__":
    for source in sorted(Path(sys.argv[1]).glob("*.json.gz")):
        full = json.loads(gzip.decompress(source.read_bytes()))
        if not any(pool["own"] for pool in full["pools"]):
            continue
        packed = lzma.compress(_compact(full), preset=9 | lzma.PRESET_EXTREME)
        stem = source.name.removesuffix(".json.gz")
        Path(__file__).with_name(f"{stem}.xz").write_bytes(packed)
