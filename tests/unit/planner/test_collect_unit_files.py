"""Unit files that nobody refers to any more."""

from __future__ import annotations

from fleetpy.ids import UnitHash
from fleetpy.planner.collect import unreferenced
from tests.unit.planner.builders import Cluster


def test_a_text_is_kept_while_a_unit_or_a_placement_has_it() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("placed.service", text="old")
    cluster.put("m1", "placed.service")
    cluster.submit("placed.service", text="new")
    cluster.submit("idle.service", text="idle", goal="inactive")
    stored = [UnitHash(text) for text in ("unused-2", "old", "new", "idle", "unused-1")]
    found = unreferenced(stored, cluster.units.values(), cluster.placements.values())
    assert found == ("unused-1", "unused-2")


def test_a_text_on_a_lost_machine_is_kept() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("web.service", text="old")
    cluster.put("m1", "web.service")
    cluster.lose("m1")
    cluster.destroy("web.service")
    assert unreferenced([UnitHash("old")], cluster.units.values(), cluster.placements.values()) == ()
