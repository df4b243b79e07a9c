"""Units through the whole cluster: started, stopped and destroyed by fleetctl, beside plain `systemctl`.

The limit is what the same machine takes for the same number of units when nobody is in between: as many on each of the
three hosts at once, started by `systemctl start` from files that are there and loaded already. Both take turns.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from benchmarks.hosts import (
    ENTRY,
    HOSTS,
    Span,
    count_running,
    destroy_units,
    fresh_lab,
    names_of,
    start_units,
    timed_on,
    timed_on_all,
    write_units,
)
from benchmarks.report import Column, Report, Table, Target
from benchmarks.timeline import Timeline, placed, running, submitted
from benchmarks.usage import SERVICES, sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.report import Cell, Options
    from benchmarks.timeline import Change
    from benchmarks.usage import Sample
    from fleetpy_lab.lab import Lab

SIZES = (100, 600)
LARGE_SIZES = (*SIZES, 2_000)
QUICK_SIZES = (100,)
ROUNDS = 3
RATIO = 1.5
"""The target: at most so many times the limit, from this many units on."""
COUNTS_FROM = 600
ORIGINAL = {100: "4.5 s", 600: "14.05 s", 2_000: "89 s"}
"""What the original fleet took on such hosts."""

_PLAIN = "/run/systemd/system"
_STARTED, _STOPPED, _DESTROYED = "start", "stop", "destroy"
_SUBMITTED, _PLACED, _RUN, _TOLD = "submitted", "placed", "run", "told"

Seconds = dict[str, list[float]]
"""For each thing that is measured, what each round took; for each service, the processor's seconds of each start."""


def run(options: Options) -> Report:
    """Measure every size, in one lab."""
    sizes = QUICK_SIZES if options.quick else LARGE_SIZES if options.large else SIZES
    rounds = 1 if options.quick else ROUNDS
    fleet: dict[int, Seconds] = {count: defaultdict(list) for count in sizes}
    plain: dict[int, Seconds] = {count: defaultdict(list) for count in sizes}
    with fresh_lab() as lab:
        for count in sizes:
            for _ in range(rounds):
                _with_systemctl(lab, count, plain[count])
                _with_fleetctl(lab, count, fleet[count])
    ratios = {count: _median(fleet[count][_STARTED]) / _median(plain[count][_STARTED]) for count in sizes}
    targets = [
        Target(
            f"start {count:,} units, command to all running, times plain `systemctl`",
            RATIO if count >= COUNTS_FROM else None,
            ratios[count],
            "x",
            original=ORIGINAL.get(count, ""),
            beside=f"{_median(fleet[count][_STARTED]):.2f} s; systemctl {_median(plain[count][_STARTED]):.2f} s",
        )
        for count in sizes
    ]
    raw = {str(count): {"fleetctl": fleet[count], "systemctl": plain[count]} for count in sizes}
    return Report(
        "start",
        [_verbs_table(fleet, plain, rounds), _phases_table(fleet, plain), _cpu_table(fleet, plain)],
        targets,
        raw=raw,
    )


def _with_systemctl(lab: Lab, count: int, seconds: Seconds) -> None:
    names = names_of(count, "plain")
    shares = {host: names[at :: len(HOSTS)] for at, host in enumerate(HOSTS)}
    for host, share in shares.items():
        write_units(lab, host, _PLAIN, share)
    seconds["reload"].append(timed_on_all(lab, dict.fromkeys(HOSTS, "systemctl daemon-reload")).seconds)
    before = {host: sample(lab, host) for host in HOSTS}
    for verb in (_STARTED, _STOPPED):
        scripts = {host: f"systemctl {verb} {' '.join(share)}" for host, share in shares.items()}
        seconds[verb].append(timed_on_all(lab, scripts).seconds)
        expected = count if verb == _STARTED else 0
        assert count_running(lab, "plain-*.service") == expected, f"systemctl {verb} has done what it says"
        if verb == _STARTED:
            _note_usage(lab, before, seconds)
    for host in HOSTS:
        lab.exec(host, "bash", "-c", f"rm {_PLAIN}/plain-*.service; systemctl daemon-reload", check=True)


def _with_fleetctl(lab: Lab, count: int, seconds: Seconds) -> None:
    with Timeline([host for host in lab.hosts() if host.etcd]) as timeline:
        before = {host: sample(lab, host) for host in HOSTS}
        started = start_units(lab, count)
        _note_usage(lab, before, seconds)
    seconds[_STARTED].append(started.seconds)
    for phase, moment in _phases(timeline.changes()).items():
        seconds[phase].append(moment - started.began)
    seconds[_STOPPED].append(_stop(lab).seconds)
    seconds[_DESTROYED].append(destroy_units(lab).seconds)


def _note_usage(lab: Lab, before: Mapping[str, Sample], seconds: Seconds) -> None:
    after = {host: sample(lab, host) for host in HOSTS}
    for service in SERVICES:
        used = [after[host].since(before[host], service) for host in HOSTS]
        seconds[service].append(sum(usage.cpu for usage in used if usage is not None))


def _stop(lab: Lab) -> Span:
    span = timed_on(lab, ENTRY, "fleetctl stop 'bench-*'")
    left = count_running(lab)
    assert not left, f"fleetctl said that all units are stopped; {left} still run"
    return span


def _phases(changes: Sequence[Change]) -> Mapping[str, float]:
    told = list(running(changes))
    return {
        _SUBMITTED: max(submitted(changes)),
        _PLACED: max(placed(changes)),
        _RUN: max(one.since for one in told),
        _TOLD: max(one.at for one in told),
    }


def _median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)


def _verbs_table(fleet: Mapping[int, Seconds], plain: Mapping[int, Seconds], rounds: int) -> Table:
    columns = [
        Column("units", "units", ","),
        Column("verb", "what"),
        Column("fleetctl", "fleetctl", ".2f"),
        Column("systemctl", "systemctl", ".2f"),
        Column("ratio", "ratio", ".2f"),
        Column("rate", "units/s", ".0f"),
    ]
    rows: list[dict[str, Cell]] = []
    for count, seconds in fleet.items():
        for verb in (_STARTED, _STOPPED, _DESTROYED):
            took = _median(seconds[verb])
            limit = _median(plain[count][verb]) if verb in plain[count] else None
            ratio = took / limit if limit else None
            row: dict[str, Cell] = {"units": count, "verb": verb, "fleetctl": took, "systemctl": limit, "ratio": ratio}
            rows.append({**row, "rate": count / took})
    title = f"Command to all of it done, three hosts: seconds (the median of {rounds}), beside plain systemctl"
    return Table(title, columns, rows)


def _phases_table(fleet: Mapping[int, Seconds], plain: Mapping[int, Seconds]) -> Table:
    columns = [
        Column("units", "units", ","),
        Column(_SUBMITTED, "all submitted", ".2f"),
        Column(_PLACED, "all placed", ".2f"),
        Column(_RUN, "all running", ".2f"),
        Column(_TOLD, "cluster knows", ".2f"),
        Column(_STARTED, "fleetctl ends", ".2f"),
        Column("reload", "(a plain reload)", ".2f"),
    ]
    rows: list[dict[str, Cell]] = [
        {
            "units": count,
            **{phase: _median(seconds[phase]) for phase in (_SUBMITTED, _PLACED, _RUN, _TOLD, _STARTED)},
            "reload": _median(plain[count]["reload"]),
        }
        for count, seconds in fleet.items()
    ]
    return Table("Where a start's time goes: seconds from the command on", columns, rows)


def _cpu_table(fleet: Mapping[int, Seconds], plain: Mapping[int, Seconds]) -> Table:
    columns = [
        Column("units", "units", ","),
        Column("by", "by"),
        *(Column(service, service, ".2f") for service in SERVICES),
    ]
    rows: list[dict[str, Cell]] = [
        {"units": count, "by": by, **{service: _median(seconds[count][service]) for service in SERVICES}}
        for count in fleet
        for by, seconds in (("fleetctl", fleet), ("systemctl", plain))
    ]
    return Table("What a start uses of the processors: seconds, the three hosts together", columns, rows)
