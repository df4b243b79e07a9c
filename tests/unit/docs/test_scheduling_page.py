"""The units on the page on scheduling go where the page says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from fleetpy.ids import MachineID, UnitName
from fleetpy.unit.file import UnitFile
from fleetpy.unit.name import parse_unit_name
from fleetpy.unit.requirements import read_requirements
from tests.unit.planner.builders import Cluster, make_machine

PAGE = (Path(__file__).parents[3] / "docs" / "guide" / "scheduling.md").read_text()
TEXTS = {
    block.partition("\n")[0].removeprefix("# "): block
    for block in re.findall(r"^```ini\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}


def submit(cluster: Cluster, *names: str) -> None:
    """Hand units in as the page has them; an instance has its template's text."""
    for name in names:
        info = parse_unit_name(name)
        text = TEXTS.get(name) or TEXTS[info.template or ""]
        cluster.units[UnitName(name)] = replace(
            cluster.submit(name), requirements=read_requirements(info, UnitFile.parse(text))
        )


def placed(cluster: Cluster) -> dict[str, list[str]]:
    """The machines of each unit."""
    cluster.settle()
    places: dict[str, list[str]] = {}
    for machine, name in sorted(cluster.placements):
        places.setdefault(name, []).append(machine)
    return places


def test_explain_says_what_the_page_shows() -> None:
    shown = re.findall(r"^([0-9a-f]{8})\.\.\./\S+\t(\w+)\t(.*)$", PAGE, re.MULTILINE)
    (summary,) = re.findall(r"^web@3\.service: (.*)$", PAGE, re.MULTILINE)
    first, second, third = (machine for machine, _, _ in shown)
    cluster = Cluster.of(first, make_machine(second, region="eu"), make_machine(third, region="eu"))
    submit(cluster, "web@1.service", "web@2.service")
    cluster.put(second, "web@1.service")
    cluster.put(third, "web@2.service")
    cluster.submit("web@3.service", metadata={"region": "eu"}, conflicts=["web@*.service"])
    explained = cluster.explain("web@3.service")
    assert explained.summary == summary
    verdicts = [(one.machine, "yes" if one.eligible else "no", one.reason) for one in explained.verdicts]
    assert verdicts == [(MachineID(machine), *said) for machine, *said in shown]


def test_a_region_and_a_disk() -> None:
    cluster = Cluster.of(make_machine("m1", region="eu"), make_machine("m2", region="us", disk="ssd"))
    submit(cluster, "api.service")
    assert placed(cluster) == {"api.service": ["m2"]}


def test_each_cache_is_in_its_region_until_the_region_is_another() -> None:
    cluster = Cluster.of(make_machine("m1", region="us"), make_machine("m2", region="eu"))
    submit(cluster, "cache@eu.service", "cache@us.service")
    assert placed(cluster) == {"cache@eu.service": ["m2"], "cache@us.service": ["m1"]}
    cluster.join(make_machine("m2"))
    assert placed(cluster) == {"cache@us.service": ["m1"]}


def test_of_five_instances_three_run_on_three_machines_and_one_that_joins_gets_the_next() -> None:
    cluster = Cluster.of("m1", "m2", "m3")
    submit(cluster, *(f"web@{number}.service" for number in range(1, 6)))
    before = placed(cluster)
    assert sorted(before.values()) == [["m1"], ["m2"], ["m3"]]
    cluster.join(make_machine("m4"))
    assert placed(cluster) == {**before, "web@4.service": ["m4"]}


def test_a_sidekick_waits_for_its_leader_and_moves_with_it() -> None:
    cluster = Cluster.of("m1", "m2")
    submit(cluster, "web-discovery@1.service")
    assert placed(cluster) == {}
    submit(cluster, "web@1.service")
    assert placed(cluster) == {"web-discovery@1.service": ["m1"], "web@1.service": ["m1"]}
    cluster.join(make_machine("m1", draining=True))
    assert placed(cluster) == {"web-discovery@1.service": ["m2"], "web@1.service": ["m2"]}


def test_the_next_version_takes_the_machine_and_the_one_before_moves() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("web.service")
    assert placed(cluster) == {"web.service": ["m1"]}
    submit(cluster, "web-next.service")
    assert placed(cluster) == {"web-next.service": ["m1"], "web.service": ["m2"]}


def test_a_global_unit_is_on_every_worker_those_that_join_included() -> None:
    cluster = Cluster.of("m1", make_machine("m2", role="worker"))
    submit(cluster, "node-log.service")
    assert placed(cluster) == {"node-log.service": ["m2"]}
    cluster.join(make_machine("m3", role="worker"))
    assert placed(cluster) == {"node-log.service": ["m2", "m3"]}
