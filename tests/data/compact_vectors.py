"""Makes the compact swap vectors of this folder from the full ones.

    python tests/data/compact_vectors.py SOURCE_FOLDER

One `<venue>.xz` per venue: a line of JSON, then the raw bytes of all accounts, one after the other.

    {"program", "pools": [{"name", "pool", "mints": [first, second],
        "accounts": [[address, owner, length]],
        "cases": [[clock, [swap]]], "chain": [[clock, swap]]}]}

`clock` is [slot, unix time, epoch]. `swap` is [input, kind, amount, other]: `input` 0 or 1 names
the mint paid in, `kind` 0 is exact in and 1 exact out, `amount` is what that fixes and `other`
what the program moved on the other side; `other` is missing where the program refused.
Accounts that no quote reads (price oracles) are left out.
"""

import base64
import gzip
import json
import lzma
import sys
from pathlib import Path
from typing import Any

VENUES = ("raydium_cpmm", "meteora_dlmm")
ORACLE_LENGTHS = (4075, 3232)


def _clock(clock: dict[str, int]) -> list[int]:
    return [clock["slot"], clock["unixTimestamp"], clock["epoch"]]


def _swap(swap: dict[str, Any], mints: list[str]) -> list[int]:
    exact_out = swap["kind"] == "exact_out"
    row = [mints.index(swap["input"]), int(exact_out), swap["amount"]]
    return row if "error" in swap else [*row, swap["amountIn" if exact_out else "amountOut"]]


def _compact(source: Path) -> bytes:
    full = json.loads(gzip.decompress(source.read_bytes()))
    pools, blob = [], bytearray()
    for pool in full["pools"]:
        if not pool["own"]:
            raise SystemExit(f"{pool['name']} is not ours to publish")
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
    for venue in VENUES:
        packed = lzma.compress(
            _compact(Path(sys.argv[1]) / f"{venue}.json.gz"), preset=9 | lzma.PRESET_EXTREME
        )
        Path(__file__).with_name(f"{venue}.xz").write_bytes(packed)
