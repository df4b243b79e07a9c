"""What a cluster costs in which nothing happens: CPU, wake-ups and memory of every daemon, on every host."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.etcd_requests import requests_so_far
from benchmarks.hosts import ENTRY, HOSTS, destroy_units, fresh_lab, start_units, timed_on
from benchmarks.report import Column, Report, Table, Target
from benchmarks.roles import etcd_leader, scheduler_leader
from benchmarks.usage import AGENT, API, ETCD, SCHEDULER, SERVICES, sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.report import Cell, Options
    from fleetpy_lab.lab import Lab

SIZES = (600,)
LARGE_SIZES = (600, 2_000, 3_000)
QUICK_SIZES = (60,)
SETTLE = 15.0
WINDOW = 30.0
QUICK_WINDOW = 10.0

CPU = 0.5
"""The target for each daemon: percent of a core."""
ORIGINAL_CPU = {600: "leader 51, others 3.7", 2_000: "leader over 100, others 17 and 66"}
ORIGINAL_MEMORY = "21 to 23 MB"
"""The original's one daemon did the work of our three."""
_MB = 1e6
_AGENT_BYTES = 55 * _MB
_OTHER_BYTES, _BYTES_PER_UNIT = 65 * _MB, 2_000


@dataclass(frozen=True, slots=True)
class Rest:
    """A cluster at rest, over some time."""

    rows: list[dict[str, Cell]]
    """What each service used on each host."""
    requests: Mapping[str, float]
    """What etcd was asked, by method: a second, of all its members together."""


def run(options: Options) -> Report:
    """Measure at rest, for each number of units."""
    sizes = QUICK_SIZES if options.quick else LARGE_SIZES if options.large else SIZES
    window = QUICK_WINDOW if options.quick else WINDOW
    tables: list[Table] = []
    targets: list[Target] = []
    rests: dict[int, Rest] = {}
    with fresh_lab() as lab:
        tables.append(_etcd_alone(lab, window))
        for count in sizes:
            start_units(lab, count)
            for host in HOSTS:
                lab.fleetctl("list-machines", host=host)  # so that the API runs on every host
            time.sleep(SETTLE)
            rest = rests[count] = _measure(lab, window, count)
            title = f"{count:,} units on three hosts, nothing happens for {window:g} s"
            tables += (_usage_table(rest.rows, title), _api_table(lab, count))
            targets += _targets(rest.rows, count)
            destroy_units(lab)
    tables += (_requests_table(rests), _memory_table(rests))
    note = "wake-ups are the times that a thread went to sleep; memory is resident (VmRSS), 1 MB = 1,000,000 bytes"
    return Report("idle", tables, targets, [note])


def _measure(lab: Lab, window: float, units: int) -> Rest:
    before = {host: sample(lab, host) for host in HOSTS}
    asked, began = requests_so_far(lab), time.monotonic()
    time.sleep(window)
    requests, took = requests_so_far(lab) - asked, time.monotonic() - began
    after = {host: sample(lab, host) for host in HOSTS}
    leaders = {(ETCD, etcd_leader(lab)), (SCHEDULER, scheduler_leader(lab))}
    rows: list[dict[str, Cell]] = []
    for service in SERVICES:
        for host in HOSTS:
            used = after[host].since(before[host], service)
            if used is not None:
                seconds = after[host].at - before[host].at
                row: dict[str, Cell] = {
                    "units": units,
                    "service": service,
                    "host": host,
                    "cpu": 100 * used.cpu / seconds,
                }
                row |= {"sleeps": used.sleeps / seconds, "rss": used.rss / _MB, "threads": used.threads}
                rows.append({**row, "leads": "leads" if (service, host) in leaders else ""})
    return Rest(rows, {method: count / took for method, count in requests.items()})


def _etcd_alone(lab: Lab, window: float) -> Table:
    """What etcd uses with nobody to ask it anything."""
    for host in HOSTS:
        lab.exec(host, "systemctl", "stop", "fleet.target", check=True)
    time.sleep(SETTLE)
    rest = _measure(lab, window, 0)
    for host in HOSTS:
        lab.exec(host, "systemctl", "start", "fleet.target", check=True)
    lab.restore()
    return _usage_table(rest.rows, f"Without any of fleetpy's daemons, for {window:g} s")


def _usage_table(rows: Sequence[Mapping[str, Cell]], title: str) -> Table:
    columns = [
        Column("service", "process"),
        Column("host", "host"),
        Column("leads", ""),
        Column("cpu", "% of a core", ".2f"),
        Column("sleeps", "wake-ups/s", ".1f"),
        Column("rss", "memory MB", ".1f"),
        Column("threads", "threads"),
    ]
    return Table(title, columns, rows)


def _requests_table(rests: Mapping[int, Rest]) -> Table:
    methods = sorted({method for rest in rests.values() for method in rest.requests})
    columns = [
        Column("units", "units", ","),
        *(Column(method, method, ".2f") for method in methods),
        Column("all", "all", ".2f"),
    ]
    rows: list[dict[str, Cell]] = [
        {
            "units": count,
            **{method: rest.requests.get(method, 0.0) for method in methods},
            "all": sum(rest.requests.values()),
        }
        for count, rest in rests.items()
    ]
    return Table("What etcd is asked at rest: requests a second, all members together", columns, rows)


def _memory_table(rests: Mapping[int, Rest]) -> Table:
    daemons = (AGENT, SCHEDULER, API)
    columns = [Column("units", "units", ","), *(Column(daemon, daemon, ".1f") for daemon in daemons)]
    rows: list[dict[str, Cell]] = [
        {
            "units": count,
            **{
                daemon: max((float(row["rss"] or 0) for row in rest.rows if row["service"] == daemon), default=None)
                for daemon in daemons
            },
        }
        for count, rest in rests.items()
    ]
    return Table("Memory against the number of units: MB, of the host where it is most", columns, rows)


def _api_table(lab: Lab, count: int) -> Table:
    """`list-units` of an API that runs, and of one that has ended since nobody used it."""
    ask = "fleetctl list-units"
    running = timed_on(lab, ENTRY, ask).seconds
    lab.exec(ENTRY, "systemctl", "stop", f"{API}.service", check=True)
    woken = timed_on(lab, ENTRY, ask).seconds
    columns = [Column("api", "fleet-api"), Column("seconds", "seconds", ".2f")]
    rows: list[dict[str, Cell]] = [
        {"api": "runs", "seconds": running},
        {"api": "is started by its socket", "seconds": woken},
    ]
    return Table(f"fleetctl list-units, {count:,} units", columns, rows)


def _targets(rows: Sequence[Mapping[str, Cell]], count: int) -> list[Target]:
    """The worst of the hosts, for each daemon of ours that runs."""
    other = _OTHER_BYTES + _BYTES_PER_UNIT * count
    limits = {AGENT: _AGENT_BYTES, SCHEDULER: other, API: other}
    targets: list[Target] = []
    for service, limit in limits.items():
        used = [row for row in rows if row["service"] == service]
        if used:
            cpu, rss = (max(float(row[key] or 0) for row in used) for key in ("cpu", "rss"))
            targets += (
                Target(
                    f"CPU of {service}, {count:,} units at rest",
                    CPU,
                    cpu,
                    "% of a core",
                    original=ORIGINAL_CPU.get(count, ""),
                ),
                Target(f"memory of {service}, {count:,} units", limit / _MB, rss, "MB", original=ORIGINAL_MEMORY),
            )
    return targets
