"""A plot for each benchmark: of the tables of its result, as an SVG file beside it.

With matplotlib, which the extra `bench` installs: every kind of plot that is wanted here, log scales included, and the
same figures give the same file. Text stays text, so the files are small, and the reader's own fonts show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("svg")  # No display is asked for one.

from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.results import Result

_OURS, _PLAIN, _TARGET = "#1f6fb4", "#7f7f7f", "#c23b22"
_MORE = ("#1f6fb4", "#e0912f", "#4c9f50", "#8d5fb0", "#7f7f7f", "#a5652a", "#d377b5", "#3aa6a6", "#b3a02f")
_DAEMONS = ("fleet-agent", "fleet-scheduler", "fleet-api")
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fleetpy",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def draw(result: Result, directory: Path) -> Path | None:
    """Draw a result as `directory/NAME.svg`; None if there is no plot of that benchmark."""
    plot = _PLOTS.get(result.name)
    if plot is None:
        return None
    path = directory / f"{result.name}.svg"
    with mpl.rc_context(_STYLE):
        figure = plot(result)
        figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
        plt.close(figure)
    return path


def _start(result: Result) -> Any:
    figure, axes = plt.subplots(figsize=(6.5, 3.8))
    rows = [row for row in result.rows("units", "verb", "fleetctl") if row["verb"] == "start"]
    units = [row["units"] for row in rows]
    limit = [row["systemctl"] for row in rows]
    axes.plot(units, [row["fleetctl"] for row in rows], "o-", color=_OURS, label="fleetctl start")
    axes.plot(units, limit, "s-", color=_PLAIN, label="systemctl start, as many on each host at once")
    axes.plot(units, [1.5 * seconds for seconds in limit], "--", color=_TARGET, label="target: 1.5 times that")
    axes.set(xlabel="units on three hosts", ylabel="seconds, command to all running", xlim=(0, None), ylim=(0, None))
    axes.legend()
    return figure


def _failover(result: Result) -> Any:
    figure, axes = plt.subplots(figsize=(6.5, 2.6))
    rows = list(reversed(result.rows("role", "detected", "planning", "starting")))
    names = [f"it led {row['role']}" for row in rows]
    begin = [0.0] * len(rows)
    for color, key, label in zip(
        _MORE, ("detected", "planning", "starting"), ("found dead", "placed", "started"), strict=False
    ):
        axes.barh(names, [row[key] for row in rows], left=begin, color=color, label=label, height=0.55)
        begin = [at + row[key] for at, row in zip(begin, rows, strict=True)]
    bound = _bounds(result)[0]
    axes.axvline(bound, color=_TARGET, ls="--", label=f"target: {bound:g} s")
    axes.set(xlabel="seconds after the host's death", xlim=(0, max([bound, *begin]) * 1.05))
    axes.grid(visible=False, axis="y")
    axes.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.45, 1.22), columnspacing=1.2)
    return figure


def _idle(result: Result) -> Any:
    figure, (cpu, memory) = plt.subplots(1, 2, figsize=(8.5, 3.6), layout="constrained")
    rows = [row for row in result.rows("units", "service", "cpu", "rss") if row["units"]]
    sizes = sorted({row["units"] for row in rows})
    width = 0.8 / len(sizes)
    for at, units in enumerate(sizes):
        most = [
            max(row["cpu"] for row in rows if row["units"] == units and row["service"] == name) for name in _DAEMONS
        ]
        places = [index + (at - (len(sizes) - 1) / 2) * width for index in range(len(_DAEMONS))]
        cpu.bar(places, most, width=0.9 * width, color=_MORE[at], label=f"{units:,} units")
    cpu.axhline(0.5, color=_TARGET, ls="--", label="target")
    cpu.set_xticks(range(len(_DAEMONS)), [name.removeprefix("fleet-") for name in _DAEMONS])
    cpu.set(ylabel="% of a core, nothing happening")
    cpu.grid(visible=False, axis="x")
    cpu.legend()
    for color, name in zip(_MORE, _DAEMONS, strict=False):
        most = [max(row["rss"] for row in rows if row["units"] == units and row["service"] == name) for units in sizes]
        memory.plot(sizes, most, "o-", color=color, label=name)
    memory.plot(sizes, [55.0] * len(sizes), "_--", color=_TARGET, markersize=14, label="target: agent")
    others = [65 + 0.002 * units for units in sizes]
    memory.plot(sizes, others, "_:", color=_TARGET, markersize=14, label="target: the others")
    memory.set(xlabel="units", ylabel="MB resident", xlim=(0, 1.2 * sizes[-1]))
    memory.set_ylim(0, 1.1 * max(*(row["rss"] for row in rows if row["service"] in _DAEMONS), *others))
    memory.legend(loc="lower right")
    return figure


def _planner(result: Result) -> Any:
    figure, axes = plt.subplots(figsize=(6.5, 4.6))
    rows = result.rows("units", "shape", "step", "seconds")
    steps = list(dict.fromkeys(row["step"] for row in rows))
    for color, step in zip(_MORE, steps, strict=False):
        for shape, line in (("mixed", "o-"), ("plain", "o:")):
            some = [row for row in rows if row["step"] == step and row["shape"] == shape]
            label = step if shape == "mixed" else None
            axes.loglog(
                [row["units"] for row in some], [row["seconds"] for row in some], line, color=color, label=label
            )
    largest = max(row["units"] for row in rows)
    bounds = _bounds(result)
    axes.plot([largest] * len(bounds), bounds, "_", color=_TARGET, markersize=24, label="targets")
    axes.plot([], [], ":", color="black", label="dotted: units without constraints")
    axes.set(xlabel="units", ylabel="seconds for a plan")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _scale(result: Result) -> Any:
    figure, (rate, asked) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    rows = result.rows("machines", "units", "running", "possible")
    bound = _bounds(result, "units/s")[0]
    for offset, key, color, label in (
        (-0.2, "running", _OURS, "all of it on this machine"),
        (0.2, "possible", _MORE[2], "possible with a core for each process"),
    ):
        rate.bar([at + offset for at in range(len(rows))], [row[key] for row in rows], 0.36, color=color, label=label)
    rate.axhline(bound, color=_TARGET, ls="--", label="target")
    names = [f"{row['units'] // 1000:,}k\n{row['machines']:,}\n{row.get('played', '')}" for row in rows]
    rate.set_xticks(range(len(rows)), names)
    rate.set(xlabel="units, machines, agents", ylabel="units per second, submitted to running")
    rate.set_ylim(0, 1.4 * max(bound, *(row["possible"] for row in rows)))
    rate.grid(visible=False, axis="x")
    rate.legend(fontsize=8)
    requests = result.rows("machines", "units", "txn", "range", "watched", "puts")
    kinds = list(dict.fromkeys(row.get("played", "") for row in requests))
    for color, key, label in zip(
        _MORE,
        ("puts", "watched", "txn", "range"),
        ("puts", "watch messages", "transactions", "reads"),
        strict=False,
    ):
        for kind, line in zip(kinds, ("o-", "s:"), strict=False):
            same = [row for row in requests if row["units"] == requests[0]["units"] and row.get("played", "") == kind]
            named = label if line == "o-" else None
            asked.plot([row["machines"] for row in same], [row[key] for row in same], line, color=color, label=named)
    if len(kinds) > 1:
        asked.plot([], [], ":", color="black", label=f"dotted: {kinds[1]}")
    asked.set(xlabel=f"machines, {requests[0]['units']:,} units", ylabel="asked of etcd, per unit", xlim=(0, None))
    asked.set_ylim(0, 1.4 * max(row["puts"] for row in requests))
    asked.legend(fontsize=8, ncols=2)
    return figure


def _cli(result: Result) -> Any:
    figure, axes = plt.subplots(figsize=(6.5, 2.4))
    rows = list(reversed(result.rows("command", "seconds")))
    axes.barh([row["command"] for row in rows], [row["seconds"] for row in rows], color=_OURS, height=0.55)
    for target in result.targets:
        if target.limit is not None:
            at = next((at for at, row in enumerate(rows) if f"{_number(target.what)} units" in row["command"]), None)
            if at is not None:
                axes.plot([target.limit] * 2, [at - 0.4, at + 0.4], color=_TARGET, ls="--")
    axes.plot([], [], color=_TARGET, ls="--", label="target")
    axes.set(xlabel="seconds, the whole run")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="upper right")
    return figure


def _bounds(result: Result, unit: str = "s") -> Sequence[float]:
    """The targets in that unit."""
    return [target.limit for target in result.targets if target.unit == unit and target.limit is not None]


def _number(words: str) -> str:
    """The number of units that a target is about."""
    return next(word for word in words.split() if word[0].isdigit())


_PLOTS: dict[str, Callable[[Result], Any]] = {
    "start": _start,
    "failover": _failover,
    "idle": _idle,
    "planner": _planner,
    "scale": _scale,
    "cli": _cli,
}
