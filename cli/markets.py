"""The markets file: where it is, which way round its pairs are, and adding to it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

import sluice.markets
from sluice.markets.catalog import Catalog, catalog
from sluice.markets.tokens import Token
from sluice.venues.base import Address

from .output import MISUSED, fail

STACK = Path(__file__).resolve().parents[1] / ".local" / "stack.json"
"""What `make up` leaves behind while it runs."""
MAINNET, SIMULATED = "mainnet", "simulated"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Place:
    """Which chain to ask, and the file of the pools on it."""

    rpc_url: str
    markets: Path


@dataclass(frozen=True, slots=True)
class Market:
    """A pair as the file writes it: prices are `quote` per `base`."""

    base: Token
    quote: Token

    @property
    def name(self) -> str:
        """As the file writes it."""
        return f"{self.base.symbol}/{self.quote.symbol}"


def place(rpc_url: str | None, markets: str | None) -> Place:
    """What the options say, else the running stack; ends the command where neither says a thing."""
    if rpc_url:
        return Place(rpc_url, _file(markets or MAINNET))
    try:
        rpc_url = str(json.loads(STACK.read_text())["rpc"])
    except FileNotFoundError:
        fail("no RPC: set SOLANA_RPC_URL, or start a stack with `make up`", MISUSED)
    except (OSError, ValueError, KeyError, TypeError) as error:
        fail(f"{STACK}: does not describe a stack ({error!r})", MISUSED)
    # A stack can be told to read a real chain; only the simulated one is on this machine.
    own = urlsplit(rpc_url).hostname in LOOPBACK
    return Place(rpc_url, _file(markets or (SIMULATED if own else MAINNET)))


def _file(name: str) -> Path:
    """A path if it looks like one, else one of the files that come with the engine."""
    if name.endswith(".toml") or os.sep in name:
        return Path(name).resolve()
    return Path(sluice.markets.__path__[0]) / f"{name}.toml"


def listed(path: Path) -> Catalog:
    """What the file lists; ends the command where it is no markets file."""
    try:
        # A name in the folder of the engine's own files, which an absolute path replaces.
        return catalog(str(path.with_suffix("")))
    except OSError as error:
        fail(f"{path}: {error.strerror}", MISUSED)
    except (KeyError, ValueError, TypeError) as error:
        fail(f"{path}: no markets file ({error!r})", MISUSED)


class MarketsFile:
    """A markets file that can be added to; comments and order stay as they are."""

    def __init__(self, path: Path) -> None:
        """Ends the command where the file is no markets file."""
        self.path = path
        self.catalog = listed(path)
        try:
            self._document = tomlkit.parse(path.read_text())
        except (OSError, TOMLKitError) as error:
            fail(f"{path}: {error}", MISUSED)

    def markets(self) -> Mapping[Address, Market]:
        """Each listed pool's market."""
        tokens = {token.symbol: token for token in self.catalog.tokens}
        found = {}
        for pool in self._array("pools"):
            base, quote = str(pool["pair"]).split("/")
            found[Address(str(pool["address"]))] = Market(tokens[base], tokens[quote])
        return found

    def add_token(self, token: Token) -> None:
        """Lists a token."""
        _append(self._array("tokens"), fields(token))

    def add_pool(self, entry: Mapping[str, str]) -> None:
        """Lists a pool."""
        _append(self._array("pools"), entry)

    def save(self) -> None:
        """Written beside and moved, so that no reader finds half of it."""
        draft = self.path.with_suffix(".tmp")
        draft.write_text(tomlkit.dumps(self._document).rstrip("\n") + "\n")
        draft.replace(self.path)
        catalog.cache_clear()

    def _array(self, name: str) -> AoT:
        array = self._document[name]
        if not isinstance(array, AoT):
            fail(f"{self.path}: {name} is no list of tables", MISUSED)
        return array


def fields(token: Token) -> dict[str, str | int]:
    """The entry of a token."""
    return {"symbol": token.symbol, "mint": token.mint, "decimals": token.decimals}


def _append(array: AoT, values: Mapping[str, str | int]) -> None:
    """With an empty line on both sides, of which the last entry may have brought one."""
    if len(array) and not array[-1].as_string().endswith("\n\n"):
        array[-1].add(tomlkit.nl())
    table: Table = tomlkit.table()
    table.update(values)
    table.add(tomlkit.nl())
    array.append(table)
