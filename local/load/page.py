"""The page: one file that needs no network, drawn by Plotly."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from string import Template
from typing import Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from . import figures
from .drive import Observed
from .show import COLUMNS, counts, latencies
from .summary import (
    ACCEPTING,
    ALTOGETHER,
    DELIVERING,
    EXECUTING,
    PROMISES,
    Summary,
    ages,
    moments,
    spans,
)

POINTS: Final = 60
"""At most so many on a line of a run."""
PERCENTILES: Final = {"p99": "#e4572e", "p95": "#e9a23b", "p50": "#2a9d8f"}
RATES: Final = {"sent": "#8a94a0", "accepted": "#3b7dd8", "ended": "#2a9d8f", "heard": "#9b5de5"}
AGE, DEPTH = "#e4572e", "#3b7dd8"
TICKS: Final = [step * 10**power for power in range(6) for step in (1, 2, 3, 5, 7)]
"""Of the logarithmic scales, in milliseconds."""
GREY: Final = "rgba(128,128,128,0.3)"
PIXELS: Final = 300
TOLD: Final = {
    ACCEPTING: "From the moment each order was due, not when it was sent, to its answer.",
    EXECUTING: "From the API's accepting to the order's last event, by the service's clock.",
    DELIVERING: "From each event's own time, just before its commit, to its coming.",
    ALTOGETHER: "From the moment each order was due to its client's hearing of its end.",
}
QUEUE_TOLD: Final = """\
How old the oldest order got that had been accepted and had not ended, and the messages in SQS,
those in flight too, asked for each second.
"""

PAGE: Final = Template("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Sluice under load</title>
<style>
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif }
body { margin: 0 auto; max-width: 1560px; padding: 1rem 1.5rem 3rem }
h1 { margin: 0; font-size: 1.6rem } h2 { margin: 0; font-size: 1.05rem } p { margin: .1rem 0 }
.dim { opacity: .7 } .bad { color: #e4572e } .good { color: #2a9d8f }
.grid { display: grid; gap: 1.5rem 2rem; margin-top: 1.5rem;
        grid-template-columns: repeat(auto-fit, minmax(min(100%, 560px), 1fr)) }
.grid > * { min-width: 0 } .wide { grid-column: 1 / -1 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .12rem .9rem .12rem 0; text-align: left; font-weight: normal;
         vertical-align: top }
thead th { opacity: .7 }
.figures :is(td, th) + :is(td, th) { text-align: right }
.js-plotly-plot text:not(.hovertext text) { fill: CanvasText !important }
</style>
<h1>Sluice under load: $asked orders a second for $seconds s</h1>
<p class="$mood">$verdict</p>
<p class="dim">$facts</p>
<div class="grid">
<section><h2>Milliseconds</h2>$latencies</section>
<section><h2>Orders</h2>$counts</section>
$plots
<section class="wide"><h2>What held of each accepted order</h2>$promises</section>
</div>
</html>
""")


def html(observed: Observed, summary: Summary, facts: Mapping[str, str]) -> str:
    """The whole page."""
    good = summary.held and not summary.violations
    broken = {violation.name for violation in summary.violations}
    return PAGE.substitute(
        asked=f"{summary.asked:g}",
        seconds=f"{observed.schedule.seconds:g}",
        mood="good" if good else "bad",
        verdict=verdict(summary),
        facts=escape(" · ".join(f"{name} {fact}" for name, fact in facts.items())),
        latencies=_table(latencies(summary), ("", "number", *COLUMNS)),
        counts=_table(counts(summary)),
        promises=_table(
            [("✗" if name in broken else "✓", name, sentence) for name, sentence in PROMISES],
            kind="promises",
        ),
        plots="".join(_plots(observed)),
    )


def verdict(summary: Summary) -> str:
    """In a sentence."""
    rate = "The rate was held" if summary.held else "The rate was NOT held"
    if summary.violations:
        return f"{rate}; {len(summary.violations)} promises were BROKEN."
    return f"{rate}; every accepted order came to one end."


def _plots(observed: Observed) -> Iterable[str]:
    known = figures.lives(observed.heard)
    schedule = observed.schedule
    width = max(1.0, schedule.seconds / POINTS)
    each = f"Each point: {width:g} s."
    measured = {
        name: _percentiles(figures.windows(found, schedule, width))
        for name, found in spans(observed, known).items()
    }
    drawn = {
        name: (figure, f"{TOLD[name]} Logarithmic. {each}") for name, figure in measured.items()
    }
    counted = {
        name: figures.rates(found, schedule, width)
        for name, found in moments(observed, known).items()
    }
    drawn["throughput"] = (_throughput(counted, schedule.rate), f"Orders a second. {each}")
    drawn["the queue"] = (
        _queue(observed, ages(observed, known, width)),
        QUEUE_TOLD,
    )
    for number, (name, (figure, told)) in enumerate(drawn.items()):
        figure.add_vline(schedule.seconds, line_dash="dot", line_color=GREY)
        yield _section(name, told, figure, with_library=number == 0)


def _percentiles(found: Sequence[tuple[float, figures.Spread]]) -> go.Figure:
    figure = go.Figure()
    at = [moment for moment, _ in found]
    for name, colour in PERCENTILES.items():
        spans = [getattr(spread, name) * 1000 for _, spread in found]
        figure.add_scatter(x=at, y=spans, name=name, line={"color": colour})
    figure.update_yaxes(type="log", title="milliseconds", tickvals=TICKS, tickformat=",")
    return figure


def _throughput(counted: Mapping[str, Sequence[tuple[float, float]]], asked: float) -> go.Figure:
    figure = go.Figure()
    for name, found in counted.items():
        at, rate = [moment for moment, _ in found], [each for _, each in found]
        figure.add_scatter(x=at, y=rate, name=name, line={"color": RATES[name]})
    figure.add_hline(asked, line_dash="dash", line_color=GREY, annotation_text="asked for")
    figure.update_yaxes(rangemode="tozero", title="a second")
    return figure


def _queue(observed: Observed, aged: Sequence[tuple[float, float]]) -> go.Figure:
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    figure.add_scatter(
        x=[moment for moment, _ in aged],
        y=[age * 1000 for _, age in aged],
        name="oldest order, ms",
        line={"color": AGE},
    )
    figure.add_scatter(
        x=[depth.at - observed.schedule.began for depth in observed.depths],
        y=[depth.messages for depth in observed.depths],
        name="messages",
        line={"color": DEPTH, "shape": "hv"},
        secondary_y=True,
    )
    figure.update_yaxes(rangemode="tozero", title="milliseconds", secondary_y=False)
    # Of two scales that Plotly matches, one gets crooked numbers.
    figure.update_yaxes(
        rangemode="tozero", title="messages", showgrid=False, tickmode="auto", secondary_y=True
    )
    return figure


def _section(name: str, told: str, figure: go.Figure, *, with_library: bool) -> str:
    figure.update_traces(mode="lines+markers", marker={"size": 4})
    figure.update_xaxes(title="seconds since the first order was due")
    figure.update_xaxes(gridcolor=GREY, zerolinecolor=GREY)
    figure.update_yaxes(gridcolor=GREY, zerolinecolor=GREY)
    figure.update_layout(
        height=PIXELS,
        margin={"l": 60, "r": 60, "t": 30, "b": 45},
        hovermode="x unified",
        legend={"orientation": "h", "y": 1.15},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    drawn = figure.to_html(
        full_html=False,
        include_plotlyjs=with_library,
        config={"responsive": True, "displaylogo": False},
    )
    title = name[0].upper() + name[1:]
    return f'<section><h2>{escape(title)}</h2><p class="dim">{escape(told)}</p>{drawn}</section>\n'


def _table(rows: Sequence[Sequence[str]], head: Sequence[str] = (), kind: str = "figures") -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
