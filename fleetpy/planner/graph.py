"""Directed graphs over unit names: which nodes lie on common circles, and how deep each lies below where it starts.

A graph is a mapping from each node to those that it leads to; every node is a key. Nothing here recurses: a chain of
units may be longer than Python's stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from fleetpy.ids import UnitName

    Graph = Mapping[UnitName, AbstractSet[UnitName]]


def components(graph: Graph) -> list[list[UnitName]]:
    """The strongly connected components, each sorted, every one before those that it leads to (Kosaraju)."""
    backwards: dict[UnitName, set[UnitName]] = {node: set() for node in graph}
    for node, successors in graph.items():
        for successor in successors:
            backwards[successor].add(node)
    found: list[list[UnitName]] = []
    seen: set[UnitName] = set()
    for root in reversed(_postorder(graph, sorted(graph), set())):
        component = _postorder(backwards, [root], seen)
        if component:
            found.append(sorted(component))
    return found


def _postorder(graph: Graph, roots: list[UnitName], seen: set[UnitName]) -> list[UnitName]:
    """Depth first from each root, what has not been seen: every node after all that is reached through it."""
    finished: list[UnitName] = []
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        path: list[tuple[UnitName, Iterator[UnitName]]] = [(root, iter(sorted(graph[root])))]
        while path:
            node, successors = path[-1]
            unseen = next((successor for successor in successors if successor not in seen), None)
            if unseen is None:
                finished.append(node)
                path.pop()
            else:
                seen.add(unseen)
                path.append((unseen, iter(sorted(graph[unseen]))))
    return finished


def levels(graph: Graph, least: Mapping[UnitName, int] | None = None) -> dict[UnitName, int]:
    """For each node, the length of the longest way that leads to it; nodes on a common circle share theirs.

    `least` gives, for a part of a larger graph, how deep nodes lie by ways from outside.
    """
    level = {**dict.fromkeys(graph, 0), **(least or {})}
    for component in components(graph):
        members = set(component)
        own = max(level[node] for node in component)
        for node in component:
            level[node] = own
            for successor in graph[node] - members:
                level[successor] = max(level[successor], own + 1)
    return level


def circle_through(graph: Graph, node: UnitName) -> tuple[UnitName, ...]:
    """The shortest way from the node back to itself, without its end; empty if there is none.

    Here nodes that lead nowhere need not be keys.
    """
    came_from: dict[UnitName, UnitName] = {}
    edge = [node]
    while edge:
        beyond: list[UnitName] = []
        for here in edge:
            for successor in sorted(graph.get(here, ())):
                if successor == node:
                    return _way_back(came_from, node, here)
                if successor not in came_from:
                    came_from[successor] = here
                    beyond.append(successor)
        edge = beyond
    return ()


def _way_back(came_from: Mapping[UnitName, UnitName], node: UnitName, last: UnitName) -> tuple[UnitName, ...]:
    way = [last]
    while way[-1] != node:
        way.append(came_from[way[-1]])
    return tuple(reversed(way))
