"""The official SDKs: installed by npm into `.local`, asked through one script under node."""

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .cases import Case
from .timing import SAMPLES

PROJECT: Final = Path(__file__).resolve().parents[1]
SDK: Final = Path(__file__).resolve().parent / "sdk"
INSTALLED: Final = PROJECT / ".local" / "bench"
INSTALL_SECONDS, RUN_SECONDS = 600, 600


class SdksUnavailable(Exception):
    """Node is missing, or npm or the script failed; says so in one line."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the SDK answered to one case: base units and microseconds, or why not."""

    amount_out: int | None = None
    micros: float = 0.0
    error: str = ""


def ask(cases: Sequence[Case]) -> tuple[dict[str, float], dict[int, Answered]]:
    """Decode microseconds by pool, and what was answered by the case's place in `cases`.

    Raises `SdksUnavailable`.
    """
    _install()
    pools: dict[str, list[int]] = {}
    for place, case in enumerate(cases):
        pools.setdefault(str(case.vector), []).append(place)
    asked = [_asked([cases[place] for place in places]) for places in pools.values()]
    printed = _run(
        (_program("node"), str(SDK / "quotes.mjs")),
        json.dumps({"samples": SAMPLES, "pools": asked}),
        RUN_SECONDS,
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


def _install() -> None:
    """Once per change of the pinned versions; no lock file, which would name a registry."""
    wanted = (SDK / "package.json").read_text()
    present = INSTALLED / "package.json"
    if (INSTALLED / "node_modules").is_dir() and present.read_text() == wanted:
        return
    npm = _program("npm")
    shutil.rmtree(INSTALLED, ignore_errors=True)
    INSTALLED.mkdir(parents=True)
    draft = present.with_suffix(".tmp")
    draft.write_text(wanted)
    draft.rename(present)
    quiet = ("--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    try:
        _run((npm, "install", *quiet), "", INSTALL_SECONDS)
    except SdksUnavailable:
        shutil.rmtree(INSTALLED, ignore_errors=True)
        raise


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SdksUnavailable(f"{name} is not installed")
    return found


def _run(command: tuple[str, ...], given: str, seconds: int) -> str:
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            cwd=INSTALLED,
            input=given,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SdksUnavailable(f"{name}: not done after {seconds} s") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["(nothing)"]
        raise SdksUnavailable(f"{name}: failed, saying: {said[-1].strip()}")
    return done.stdout


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
