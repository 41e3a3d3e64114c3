"""What a swap leaves behind in a DLMM bin and in the protocol's purse.

Source: MeteoraAg/dlmm-sdk, `commons/src/quote.rs`, `split_fee`. How limit orders are worked off
was read off the deployed program: once the processed ones are gone, all open ones become
processed together.
"""

from typing import Final

from sluice.venues.integers import ceil_div
from sluice.venues.meteora_dlmm_bins import BASIS_POINTS, Bin, Fill, take

LIMIT_ORDER_FEE_SHARE: Final = 5_000
"""Basis points of the fee on filled limit orders that go to their owners."""


def settled(held: Bin, fill: Fill, swap_for_y: bool) -> Bin:
    """The bin after `fill`; fees and what limit orders earn are held outside of it."""
    maker_in, maker_out = _maker_part(fill, held.amount_y if swap_for_y else held.amount_x)
    orders_out = fill.gross - maker_out
    processed, waiting = held.processed_orders, held.open_orders
    if orders_out > processed:
        processed, waiting = waiting + processed - orders_out, 0
    else:
        processed -= orders_out
    change_x, change_y = (maker_in, -maker_out) if swap_for_y else (-maker_out, maker_in)
    return held._replace(
        amount_x=held.amount_x + change_x,
        amount_y=held.amount_y + change_y,
        processed_orders=processed,
        open_orders=waiting,
    )


def protocol_fee(held: Bin, fill: Fill, swap_for_y: bool, share: int) -> int:
    """The protocol's part of the fill's fee, in base units; `share` is in basis points.

    A fee that leaves nothing to trade with is the protocol's alone, as the deployed program has it.
    """
    if not fill.net:
        return fill.fee
    maker_in, _ = _maker_part(fill, held.amount_y if swap_for_y else held.amount_x)
    maker_fee = ceil_div(fill.fee * maker_in, fill.net)
    orders_fee = fill.fee - maker_fee
    to_owners = orders_fee * LIMIT_ORDER_FEE_SHARE // BASIS_POINTS
    return orders_fee - to_owners + maker_fee * share // BASIS_POINTS


def _maker_part(fill: Fill, amount: int) -> tuple[int, int]:
    """What the market makers, who come first, took in and gave out of a fill."""
    if not amount:
        return 0, 0
    return take(fill.rung._replace(layers=(amount,)), fill.net)
