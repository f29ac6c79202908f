"""Shortest paths in a network, by number of hops."""

from collections import deque
from collections.abc import Sequence


class ShortestPaths:
    """Shortest paths through a network of directed links, given as (source, target).

    Where two shortest paths part, the link that comes first in `links` wins. So the rest of a path is the path from
    each node on it, and next-hop tables, one at each node, give the same paths. A node that only one link leaves needs
    no table: memory and time are linear in the UEs of a base station.
    """

    def __init__(self, links: Sequence[tuple[str, str]]) -> None:
        self._links = links
        self._leaving: dict[str, list[int]] = {}
        for row, (source, _) in enumerate(links):
            self._leaving.setdefault(source, []).append(row)
        self._trees: dict[str, dict[str, int | None]] = {}

    def path(self, source: str, target: str) -> tuple[int, ...]:
        """Return the indices of the links from source to target; () if they are the same node. Raises ValueError if
        there is no path."""
        first: list[int] = []
        start = source
        while start != target and len(leaving := self._leaving.get(start, [])) == 1 and leaving[0] not in first:
            first += leaving
            start = self._links[leaving[0]][1]
        if start == target:
            return tuple(first)
        link_to = self._trees.get(start)
        if link_to is None:
            link_to = self._trees[start] = self._tree(start)
        if target not in link_to:
            raise ValueError(f"nodes: {target} must be reachable from {source}")
        path: list[int] = []
        last = link_to[target]
        while last is not None:
            path.append(last)
            last = link_to[self._links[last][0]]
        return (*first, *reversed(path))

    def path_through(self, broker: str | None, source: str, target: str) -> tuple[int, ...]:
        """Return the path of a message, which first goes to the broker if there is one. Raises as `path`."""
        if broker is None or source == target:
            return self.path(source, target)
        return self.path(source, broker) + self.path(broker, target)

    def _tree(self, source: str) -> dict[str, int | None]:
        """Return the breadth-first tree: the last link of the shortest path to each reachable node."""
        link_to: dict[str, int | None] = {source: None}
        frontier = deque([source])
        while frontier:
            for row in self._leaving.get(frontier.popleft(), ()):
                end = self._links[row][1]
                if end not in link_to:
                    link_to[end] = row
                    frontier.append(end)
        return link_to
