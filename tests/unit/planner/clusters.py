"""Random clusters, small enough that their units keep meeting each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st

from fleetpy.ids import UnitName
from fleetpy.unit.requirements import OnPartition
from tests.unit.planner.builders import Cluster, make_machine

if TYPE_CHECKING:
    from collections.abc import Mapping

unhurried = settings(deadline=None)
"""For properties: how long one example takes says more about the machine that tests run on."""

MACHINES = ["m1", "m2", "m3", "m4"]
NAMES = ["a.service", "a@1.service", "a@2.service", "b.service", "b@1.service", "c.service", "d.service"]
PATTERNS = [*NAMES, "a@*.service", "b*.service", "?.service", "*"]
METADATA = [{}, {"region": "eu"}, {"region": "us"}, {"region": "eu|us"}, {"region": "eu", "disk": "ssd"}]


def machines() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "cordoned": st.sampled_from([False, False, False, True]),
            "draining": st.sampled_from([False, False, False, True]),
            "region": st.sampled_from(["eu", "us"]),
            "disk": st.sampled_from(["ssd", "hdd"]),
        }
    )


def _patterns() -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2, unique=True)


def _leaders() -> st.SearchStrategy[list[UnitName]]:
    return st.lists(st.sampled_from([UnitName(name) for name in NAMES]), min_size=1, max_size=2, unique=True)


def options() -> st.SearchStrategy[Mapping[str, Any]]:
    """What one unit asks for: combinations that the reader of unit files lets through, and a few more."""
    plain: st.SearchStrategy[Mapping[str, Any]] = st.fixed_dictionaries({"metadata": st.sampled_from(METADATA)})
    partition = {"on_partition": st.sampled_from([OnPartition.KEEP, OnPartition.STOP])}
    return st.one_of(
        plain,
        plain,
        st.fixed_dictionaries({"machine_id": st.sampled_from(MACHINES)}),
        st.fixed_dictionaries({"conflicts": _patterns(), "metadata": st.sampled_from(METADATA)}),
        st.fixed_dictionaries({"machine_of": _leaders(), **partition}),
        st.fixed_dictionaries({"machine_of": _leaders(), "conflicts": _patterns()}),
        st.fixed_dictionaries({"machine_of": _leaders(), "replaces": _patterns()}),
        st.fixed_dictionaries({"replaces": _patterns(), "metadata": st.sampled_from(METADATA), **partition}),
        st.fixed_dictionaries({"is_global": st.just(value=True), "metadata": st.sampled_from(METADATA)}),
        st.fixed_dictionaries({"is_global": st.just(value=True), "conflicts": _patterns()}),
    )


@st.composite
def fresh_clusters(draw: st.DrawFn) -> Cluster:
    """Machines and units; nothing is placed yet."""
    cluster = Cluster()
    for name in draw(st.lists(st.sampled_from(MACHINES), unique=True)):
        cluster.join(make_machine(name, **draw(machines())))
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        goal = draw(st.sampled_from(["launched", "launched", "loaded", "inactive"]))
        cluster.submit(name, goal=goal, **draw(options()))
    return cluster


@st.composite
def clusters_of_families(draw: st.DrawFn) -> Cluster:
    """Many units of few kinds on few machines; nothing is placed yet, and some hosts have refused some units."""
    cluster = Cluster()
    for name in draw(st.lists(st.sampled_from(MACHINES), min_size=1, unique=True)):
        cluster.join(make_machine(name, **draw(machines())))
    patterns = st.sampled_from(["a@*.service", "b@*.service", "*@1.service", "c@[1-3].service", "b@2.service"])
    leaders = st.sampled_from([UnitName("a@1.service"), UnitName("b@2.service"), UnitName("c@1.service")])
    kinds: st.SearchStrategy[Mapping[str, Any]] = st.one_of(
        st.fixed_dictionaries({"metadata": st.sampled_from(METADATA)}),
        st.fixed_dictionaries({"conflicts": st.lists(patterns, max_size=2), "metadata": st.sampled_from(METADATA)}),
        st.fixed_dictionaries({"replaces": st.lists(patterns, max_size=2)}),
        st.fixed_dictionaries({"machine_of": st.lists(leaders, max_size=2), "conflicts": st.lists(patterns)}),
        st.fixed_dictionaries({"is_global": st.just(value=True), "conflicts": st.lists(patterns, max_size=1)}),
    )
    for family in draw(st.lists(st.sampled_from("abc"), min_size=1, unique=True)):
        options = draw(kinds)
        for number in range(draw(st.integers(1, 9))):
            cluster.submit(f"{family}@{number}.service", **options)
    refusals = st.tuples(st.sampled_from(MACHINES), st.sampled_from(sorted(cluster.units)))
    for machine, name in draw(st.lists(refusals, max_size=3)):
        if machine in cluster.machines:
            cluster.report(machine, name, refused="the host has such a unit")
    return cluster


@st.composite
def settled_clusters(draw: st.DrawFn) -> Cluster:
    """Nothing is left to do."""
    cluster = draw(fresh_clusters())
    cluster.settle()
    return cluster


@st.composite
def changed_clusters(draw: st.DrawFn) -> Cluster:
    """Settled once; then anything may have happened to machines and units, and agents have not moved yet."""
    cluster = draw(settled_clusters())
    for name in draw(st.lists(st.sampled_from(MACHINES), max_size=2, unique=True)):
        if name in cluster.machines and draw(st.booleans()):
            cluster.lose(name, at=draw(st.sampled_from([0.0, 950.0, None])))
        else:
            cluster.join(make_machine(name, **draw(machines())))
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True)):
        known = cluster.units.get(UnitName(name))
        what = draw(st.sampled_from(["submit", "replace", "destroy", "refuse"]))
        if what == "destroy" and known is not None:
            cluster.destroy(name)
        elif what == "refuse" and known is not None and cluster.machines:
            machine = draw(st.sampled_from(sorted(cluster.machines)))
            cluster.report(machine, name, uid=known.uid, refused="the host has such a unit")
        elif known is None or what == "submit":
            cluster.submit(name, uid=2, text="text-2", goal=draw(_goals()), **draw(options()))
        else:
            cluster.submit(name, uid=known.uid, text="text-3", goal=draw(_goals()), **draw(options()))
    return cluster


@st.composite
def wild_clusters(draw: st.DrawFn) -> Cluster:
    """Placements and reports of all kinds, whether or not any history could have led to them."""
    cluster = draw(fresh_clusters())
    keys = st.tuples(st.sampled_from([*MACHINES, "m9"]), st.sampled_from([*NAMES, "gone.service"]))
    for at, (machine, name) in enumerate(draw(st.lists(keys, max_size=8, unique=True))):
        known = cluster.units.get(UnitName(name))
        cluster.submit(name, uid=draw(st.integers(1, 2)), text=draw(st.sampled_from(["text-1", "text-0"])))
        reported = draw(st.booleans()) and machine in cluster.machines
        cluster.put(machine, name, epoch=at // 2, reported=reported)
        if known is None:
            cluster.destroy(name)
        else:
            cluster.units[UnitName(name)] = known
    for machine, name in draw(st.lists(keys, max_size=4, unique=True)):
        if machine in cluster.machines:
            refused = draw(st.sampled_from([None, None, "the host has such a unit"]))
            cluster.report(machine, name, uid=draw(st.integers(1, 2)), refused=refused)
    return cluster


def _goals() -> st.SearchStrategy[str]:
    return st.sampled_from(["launched", "launched", "loaded", "inactive"])


def any_clusters() -> st.SearchStrategy[Cluster]:
    return st.one_of(fresh_clusters(), changed_clusters(), wild_clusters())
