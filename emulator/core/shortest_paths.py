"""The way from one node to another: the fewest hops."""

from collections import deque
from collections.abc import Sequence


class ShortestPaths:
    """The ways through a network whose links are given by their ends, each in one direction.

    Of ways with equally few hops it is the one that takes the earlier link where they part. So the rest of a way is
    the way from where it has come to, and tables of next hops, one at each node, lead along the same ways.
    """

    def __init__(self, links: Sequence[tuple[str, str]]) -> None:
        self._links = links
        self._leaving: dict[str, list[int]] = {}
        for row, (source, _) in enumerate(links):
            self._leaving.setdefault(source, []).append(row)
        self._trees: dict[str, dict[str, int | None]] = {}

    def path(self, source: str, target: str) -> tuple[int, ...]:
        """The indices of the links from one node to another; () when both are one node. Raises ValueError where
        there is no way."""
        came_by = self._trees.get(source)
        if came_by is None:
            came_by = self._trees[source] = self._tree(source)
        if target not in came_by:
            raise ValueError(f"nodes: {target} must be reachable from {source}")
        path: list[int] = []
        last = came_by[target]
        while last is not None:
            path.append(last)
            last = came_by[self._links[last][0]]
        return tuple(reversed(path))

    def _tree(self, source: str) -> dict[str, int | None]:
        """By which link each node that can be reached is reached first."""
        came_by: dict[str, int | None] = {source: None}
        frontier = deque([source])
        while frontier:
            for row in self._leaving.get(frontier.popleft(), ()):
                end = self._links[row][1]
                if end not in came_by:
                    came_by[end] = row
                    frontier.append(end)
        return came_by
