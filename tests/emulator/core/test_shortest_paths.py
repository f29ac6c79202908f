"""Tables of next hops, one at each node, lead along the ways that the simulation takes."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.shortest_paths import ShortestPaths

NAMES = "abcdefg"
ROADS = st.lists(st.sampled_from([(a, b) for a, b in product(NAMES, NAMES) if a < b]), unique=True, max_size=14)


def both_ways(roads: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [way for a, b in roads for way in ((a, b), (b, a))]


@given(roads=ROADS)
def test_the_rest_of_a_way_is_the_way_from_where_it_has_come_to(roads: list[tuple[str, str]]) -> None:
    links = both_ways(roads)
    paths = ShortestPaths(links)
    for source, target in product(NAMES, NAMES):
        try:
            path = paths.path(source, target)
        except ValueError:
            continue
        for hops, row in enumerate(path, 1):
            assert path[hops:] == paths.path(links[row][1], target)


def test_of_equal_ways_the_earlier_link_is_taken() -> None:
    assert ShortestPaths(both_ways([("a", "c"), ("a", "b"), ("b", "d"), ("c", "d")])).path("a", "d") == (0, 6)
    assert ShortestPaths(both_ways([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])).path("a", "d") == (0, 4)


def test_where_there_is_no_way_it_is_said() -> None:
    with pytest.raises(ValueError, match="nodes: b must be reachable from a"):
        ShortestPaths([("b", "a")]).path("a", "b")
