"""Throughput of a whole control plane: units from `fleetctl start` to reported running, through a real etcd.

Everything shares this machine: the client, fleet-api, fleet-scheduler and etcd, which in reality have hosts of their
own, and the agents of all machines, of which there are hundreds. So beside the rate that was reached stands what each
process used of the processor for a unit: with a core for each, the busiest one would set the pace.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

import click

from benchmarks.report import Column, Report, Table, Target
from benchmarks.scale_cluster import AGENTS, API, ETCD, SCHEDULER, etcd
from benchmarks.scale_run import CONTROL_PLANE, PATIENCE, REAL, STAND_INS, WATCHER, measure
from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.protocol import Put

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.report import Cell, Options
    from benchmarks.scale_run import Run

SIZES = ((REAL, 100, 5_000), (REAL, 1_000, 5_000), *((STAND_INS, machines, 5_000) for machines in (100, 300, 1_000)))
"""Who plays the agents, machines and units."""
LARGE_SIZES = (*SIZES, (STAND_INS, 1_000, 50_000), (REAL, 1_000, 50_000))
QUICK_SIZES = ((REAL, 20, 500), (STAND_INS, 20, 500))
RATE = 3_750.0
"""The target: units per second, which is what Nomad's C1M reached on 5,000 hosts."""
LIMIT_UNITS = 10_000
"""Units of which etcd alone is given the writes, at the most."""
WHICH = (Column("played", "agents"), Column("machines", "machines", ","), Column("units", "units", ","))
GROWTH = 1.1
"""The target: what etcd is asked per unit does not grow with the machines, but for so much that may be chance."""
_PERCENTILES = (50, 95, 99)


def run(options: Options) -> Report:
    """Measure each size, and etcd by itself."""
    sizes = QUICK_SIZES if options.quick else LARGE_SIZES if options.large else SIZES
    limits = _limits(min(LIMIT_UNITS, sizes[-1][2]))
    runs = []
    for agents, machines, units in sizes:
        runs.append(measure(machines, units, agents))
        click.echo(f"{units:,} units on {machines:,} machines, {agents}: {runs[-1].seconds:.1f} s")
    tables = [_rates(runs), _latencies(runs), _processors(runs), _requests(runs), _rests(runs), limits]
    last = runs[-1]
    what = f"{last.units:,} units on {last.machines:,} machines, {last.agents}"
    targets = [
        Target(
            f"{what}, submitted to reported running",
            RATE,
            last.units / last.seconds,
            "units/s",
            at_least=True,
            number=",.0f",
        ),
        Target(
            f"{what}, by the busiest process",
            RATE,
            last.possible,
            "units/s",
            at_least=True,
            number=",.0f",
            beside="what is possible where each process of the control plane has a core",
        ),
        *_growth(runs),
    ]
    return Report("scale", tables, targets, raw={"runs": [one.raw for one in runs]})


def _growth(runs: Sequence[Run]) -> Iterator[Target]:
    """What etcd is asked per unit, on the most machines beside the fewest."""
    like_last = [one for one in runs if one.agents == runs[-1].agents]
    few, many = (choose(like_last, key=lambda one: (one.machines, one.units)) for choose in (min, max))
    if few.machines < many.machines:
        between = f"{few.machines:,} to {many.machines:,} machines"
        for what, asked in (("puts", _puts), ("transactions and reads", _requests_of)):
            before, after = asked(few), asked(many)
            each = " and ".join(f"{one.units / one.machines:,.0f}" for one in (few, many))
            beside = f"{before:.2f}, then {after:.2f}; with {each} units to a machine"
            yield Target(f"etcd: {what} per unit, from {between}", GROWTH, after / before, "x", beside=beside)


def _puts(one: Run) -> float:
    return one.used.total("etcd_debugging_mvcc_put_total") / one.units


def _requests_of(one: Run) -> float:
    return (one.used.messages("Txn") + one.used.messages("Range")) / one.units


def _limits(units: int) -> Table:
    """What etcd alone takes for as many writes."""
    rows: list[dict[str, Cell]] = []
    for title, puts, size in (
        ("each unit written once, 100 in a transaction", units, 100),
        ("each unit written three times, 100 in a transaction", 3 * units, 100),
        ("each unit written three times, each time by itself", 3 * units, 1),
    ):
        with etcd() as plane:
            before = plane.usage()
            cpu = time.process_time()
            seconds = asyncio.run(_write(plane.url, puts, size))
            used = plane.usage().since(before)
            rows.append(
                {
                    "what": title,
                    "rate": units / seconds,
                    "etcd": 1e6 * used.cpu[ETCD] / units,
                    "client": 1e6 * (time.process_time() - cpu) / units,
                }
            )
    columns = [
        Column("what", "etcd alone"),
        Column("rate", "units/s", ",.0f"),
        Column("etcd", "etcd's µs of CPU per unit", ",.0f"),
        Column("client", "the writer's", ",.0f"),
    ]
    return Table(
        f"The limit: {units:,} units' values of 200 bytes put into etcd, with nothing else to do", columns, rows
    )


async def _write(url: str, puts: int, size: int, parallel: int = 64) -> float:
    """Put values of 200 bytes, `size` in a transaction and several of those under way; the seconds."""
    registry = connect(EtcdSettings((url,), request_timeout=PATIENCE))
    waiting = iter(range(0, puts, size))

    async def work() -> None:
        for first in waiting:
            await registry.commit([Put(f"/limit/{number:09}", b"x" * 200) for number in range(first, first + size)])

    try:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(parallel):
                group.create_task(work())
        return time.monotonic() - began
    finally:
        await registry.close()


def _rates(runs: Sequence[Run]) -> Table:
    columns = [
        *WHICH,
        Column("submitted", "submitted/s", ",.0f"),
        Column("running", "running/s", ",.0f"),
        Column("possible", "possible/s", ",.0f"),
        Column("busiest", "set by"),
    ]
    rows: list[dict[str, Cell]] = [
        {
            **_which(one),
            "submitted": one.units / one.submitting,
            "running": one.units / one.seconds,
            "possible": one.possible,
            "busiest": one.busiest,
        }
        for one in runs
    ]
    title = (
        "Units per second on this machine, all agents included; and what is possible where each part of the control "
        "plane has a core"
    )
    return Table(title, columns, rows)


def _which(one: Run) -> dict[str, Cell]:
    return {"played": one.agents, "machines": one.machines, "units": one.units}


def _latencies(runs: Sequence[Run]) -> Table:
    columns = [*WHICH, Column("what", "submitted to")]
    columns += [Column(f"p{percent}", f"p{percent}", ".2f") for percent in _PERCENTILES]
    columns += [Column("most", "most", ".2f")]
    rows: list[dict[str, Cell]] = []
    for one in runs:
        for what, seconds in (("placed", one.to_placed), ("running", one.to_running)):
            cuts = statistics.quantiles(seconds, n=100)
            row: dict[str, Cell] = {**_which(one), "what": what}
            row |= {f"p{percent}": cuts[percent - 1] for percent in _PERCENTILES}
            rows.append({**row, "most": seconds[-1]})
    return Table("Seconds of a unit, as a watcher of the API sees it, all submitted at once", columns, rows)


def _processors(runs: Sequence[Run]) -> Table:
    names = (*CONTROL_PLANE, AGENTS, WATCHER)
    columns = [*WHICH]
    columns += [Column(name, name, ",.0f") for name in names]
    columns += [Column("api_rss", "api MB", ",.0f"), Column("scheduler_rss", "scheduler MB", ",.0f")]
    rows: list[dict[str, Cell]] = []
    for one in runs:
        row: dict[str, Cell] = {
            **_which(one),
            "api_rss": one.memory[API] / 1e6,
            "scheduler_rss": one.memory[SCHEDULER] / 1e6,
        }
        rows.append({**row, **{name: 1e6 * one.cpu[name] / one.units for name in names}})
    return Table("Microseconds of the processor per unit, beyond what is used at rest", columns, rows)


def _rests(runs: Sequence[Run]) -> Table:
    names = (API, SCHEDULER, ETCD, AGENTS)
    columns = [*WHICH[:2], *(Column(name, name, ".1f") for name in names), Column("renewals", "renewals/s", ".0f")]
    rows: list[dict[str, Cell]] = [
        {
            **_which(one),
            **{name: 100 * one.rest.cpu[name] / one.rest.at for name in names},
            "renewals": one.rest.messages("LeaseKeepAlive") / one.rest.at,
        }
        for one in runs
    ]
    return Table("At rest, before any unit came: % of a core", columns, rows)


def _requests(runs: Sequence[Run]) -> Table:
    columns = [
        *WHICH,
        Column("txn", "transactions", ".2f"),
        Column("range", "reads", ".2f"),
        Column("watched", "watch messages", ".2f"),
        Column("puts", "puts", ".2f"),
        Column("received", "bytes in", ",.0f"),
        Column("sent", "bytes out", ",.0f"),
        Column("renewals", "renewals/s", ",.0f"),
    ]
    rows: list[dict[str, Cell]] = []
    for one in runs:
        used, units = one.used, one.units
        rows.append(
            {
                **_which(one),
                "txn": used.messages("Txn") / units,
                "range": used.messages("Range") / units,
                "watched": used.messages("Watch", "sent") / units,
                "puts": used.total("etcd_debugging_mvcc_put_total") / units,
                "received": used.total("etcd_network_client_grpc_received_bytes_total") / units,
                "sent": used.total("etcd_network_client_grpc_sent_bytes_total") / units,
                "renewals": used.messages("LeaseKeepAlive") / used.at,
            }
        )
    return Table("What etcd is asked, per unit; renewals of leases per second", columns, rows)
