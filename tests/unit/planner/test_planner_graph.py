"""Components, levels and circles, against slow definitions of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleetpy.ids import UnitName
from fleetpy.planner.graph import circle_through, components, levels
from tests.unit.planner.clusters import unhurried

Edges = dict[UnitName, set[UnitName]]
NODES = [UnitName(letter) for letter in "abcdefg"]

graphs = st.fixed_dictionaries({node: st.sets(st.sampled_from(NODES), max_size=3) for node in NODES})


def reached(graph: Edges, start: UnitName) -> set[UnitName]:
    """All that one or more steps lead to."""
    found: set[UnitName] = set()
    edge = graph[start]
    while edge - found:
        found |= edge
        edge = {successor for node in found for successor in graph[node]}
    return found


def edges(**graph: str) -> Edges:
    named: Edges = {UnitName(node): {UnitName(other) for other in others} for node, others in graph.items()}
    return named


@unhurried
@given(graphs)
def test_two_nodes_are_in_one_component_if_each_leads_to_the_other(graph: Edges) -> None:
    component = {node: number for number, nodes in enumerate(components(graph)) for node in nodes}
    for one in NODES:
        for other in NODES:
            mutual = one == other or (one in reached(graph, other) and other in reached(graph, one))
            assert (component[one] == component[other]) == mutual


@unhurried
@given(graphs)
def test_a_component_comes_before_those_that_it_leads_to(graph: Edges) -> None:
    found = components(graph)
    component = {node: number for number, nodes in enumerate(found) for node in nodes}
    assert all(component[node] <= component[successor] for node in NODES for successor in graph[node])
    assert all(nodes == sorted(nodes) for nodes in found)


@unhurried
@given(graphs)
def test_a_node_lies_deeper_than_all_that_lead_to_it_unless_it_leads_back(graph: Edges) -> None:
    level = levels(graph)
    for node in NODES:
        for successor in graph[node]:
            if node in reached(graph, successor):
                assert level[node] == level[successor]
            else:
                assert level[node] < level[successor]


def test_levels_are_the_longest_ways() -> None:
    assert levels(edges(a="bc", b="c", c="d", d="", e="")) == {"a": 0, "b": 1, "c": 2, "d": 3, "e": 0}


@unhurried
@given(graphs, st.sampled_from(NODES))
def test_a_circle_leads_from_a_node_back_to_it(graph: Edges, node: UnitName) -> None:
    circle = circle_through(graph, node)
    assert bool(circle) == (node in reached(graph, node))
    if circle:
        assert circle[0] == node
        assert all(after in graph[before] for before, after in zip(circle, (*circle[1:], node), strict=True))
        assert len(set(circle)) == len(circle)


def test_the_shortest_circle_is_told() -> None:
    assert circle_through(edges(a="bd", b="c", c="a", d="a"), UnitName("a")) == ("a", "d")


def test_a_node_that_leads_to_itself_is_a_circle() -> None:
    assert circle_through(edges(a="a"), UnitName("a")) == ("a",)
