"""The official SDKs, asked through one script under node."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from . import node
from .cases import Case
from .timing import SAMPLES

SDK: Final = Path(__file__).resolve().parent / "sdk"
RUN_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Answered:
    """What the SDK answered to one case: base units and microseconds, or why not."""

    amount_out: int | None = None
    micros: float = 0.0
    error: str = ""


def ask(cases: Sequence[Case]) -> tuple[dict[str, float], dict[int, Answered]]:
    """Decode microseconds by pool, and what was answered by the case's place in `cases`.

    Raises `node.NodeUnavailable`.
    """
    installed = node.install(SDK)
    pools: dict[str, list[int]] = {}
    for place, case in enumerate(cases):
        pools.setdefault(str(case.vector), []).append(place)
    asked = [_asked([cases[place] for place in places]) for places in pools.values()]
    printed = node.run(
        (node.program("node"), "quotes.mjs"),
        installed,
        RUN_SECONDS,
        json.dumps({"samples": SAMPLES, "pools": asked}),
    )
    decodes: dict[str, float] = {}
    answers: dict[int, Answered] = {}
    for (pool, places), told in zip(pools.items(), json.loads(printed)["pools"], strict=True):
        if "error" in told:
            answers |= dict.fromkeys(places, Answered(error=told["error"]))
            continue
        decodes[pool] = told["decodeMicros"]
        answers |= dict(zip(places, map(_answered, told["quotes"]), strict=True))
    return decodes, answers


def _asked(cases: Sequence[Case]) -> dict[str, Any]:
    vector, clock = cases[0].vector, cases[0].clock
    accounts = {at: account for at, account in vector.accounts.items() if account is not None}
    return {
        "venue": vector.venue.name.value,
        "pool": vector.pool,
        "accounts": {
            address: base64.b64encode(account.data).decode()
            for address, account in accounts.items()
        },
        "programs": {address: account.owner for address, account in accounts.items()},
        "clock": {
            "slot": clock.slot,
            "unixTimestamp": clock.unix_timestamp,
            "epoch": clock.epoch,
        },
        "quotes": [{"input": case.trade.input, "amount": str(case.trade.amount)} for case in cases],
    }


def _answered(told: dict[str, Any]) -> Answered:
    if "error" in told:
        return Answered(error=told["error"])
    return Answered(int(told["amountOut"]), told["micros"])
