"""An order that is told of changes is the order of the units as they then are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from fleetpy.ids import UnitName
from fleetpy.planner.order import Order
from tests.unit.planner.builders import make_unit
from tests.unit.planner.clusters import NAMES, PATTERNS, unhurried

if TYPE_CHECKING:
    from fleetpy.planner.snapshot import Unit

units = st.fixed_dictionaries(
    {
        "goal": st.sampled_from(["launched", "launched", "inactive"]),
        "is_global": st.sampled_from([False, False, False, True]),
        "machine_of": st.lists(st.sampled_from([UnitName(name) for name in NAMES]), max_size=2),
        "replaces": st.lists(st.sampled_from(PATTERNS), max_size=2),
    }
)
changes = st.dictionaries(st.sampled_from(NAMES), st.none() | units, max_size=4)


def of(units: dict[UnitName, Unit]) -> Order:
    order = Order(units)
    order.change(list(units))
    return order


@unhurried
@given(st.lists(changes, min_size=1, max_size=6))
def test_an_order_that_is_told_of_changes_is_that_of_the_units(
    history: list[dict[str, dict[str, object] | None]],
) -> None:
    known: dict[UnitName, Unit] = {}
    order = Order(known)
    names = [UnitName(name) for name in NAMES]
    for step in history:
        circles = {name: order.circle_of(name) for name in names}
        for name, options in step.items():
            if options is None:
                known.pop(UnitName(name), None)
            else:
                known[UnitName(name)] = make_unit(name, **options)  # type: ignore[arg-type]
        told = order.change([UnitName(name) for name in step])
        anew = of(dict(known))
        assert order.sorted(names) == anew.sorted(names)
        assert [order.level(name) for name in names] == [anew.level(name) for name in names]
        assert [order.following_circle(name) for name in names] == [anew.following_circle(name) for name in names]
        for name in names:
            assert order.followers(name) == anew.followers(name)
            assert name in told or order.circle_of(name) == circles[name]
            for other in names:
                # A circle of `MachineOf` alone is only kept where units replace others; nobody asks for it.
                if _replaces_join(known, name, other):
                    assert order.on_one_circle(name, other) == anew.on_one_circle(name, other)


def _replaces_join(units: dict[UnitName, Unit], one: UnitName, other: UnitName) -> bool:
    return any(name in units and units[name].requirements.replaces for name in (one, other))
