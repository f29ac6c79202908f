"""Next-hop tables, one at each node, give the same paths as the simulation."""

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
def test_the_rest_of_a_path_is_the_path_from_each_node_on_it(roads: list[tuple[str, str]]) -> None:
    links = both_ways(roads)
    paths = ShortestPaths(links)
    for source, target in product(NAMES, NAMES):
        try:
            path = paths.path(source, target)
        except ValueError:
            continue
        for hops, row in enumerate(path, 1):
            assert path[hops:] == paths.path(links[row][1], target)


def test_the_earlier_link_wins_among_equal_paths() -> None:
    assert ShortestPaths(both_ways([("a", "c"), ("a", "b"), ("b", "d"), ("c", "d")])).path("a", "d") == (0, 6)
    assert ShortestPaths(both_ways([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])).path("a", "d") == (0, 4)


def test_an_unreachable_node_is_an_error() -> None:
    with pytest.raises(ValueError, match="nodes: b must be reachable from a"):
        ShortestPaths([("b", "a")]).path("a", "b")


@given(ends=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), unique=True, max_size=14))
def test_paths_are_those_of_a_breadth_first_search_from_each_source(ends: list[tuple[str, str]]) -> None:
    links = [(a, b) for a, b in ends if a != b]
    paths = ShortestPaths(links)
    for source, target in product(NAMES, NAMES):
        last: dict[str, tuple[int, ...]] = {source: ()}
        frontier = [source]
        for node in frontier:
            for row, (start, end) in enumerate(links):
                if start == node and end not in last:
                    last[end] = (*last[node], row)
                    frontier.append(end)
        if target in last:
            assert paths.path(source, target) == last[target]
        else:
            with pytest.raises(ValueError, match=f"nodes: {target} must be reachable from {source}"):
                paths.path(source, target)


def test_field_nodes_with_one_link_need_no_table() -> None:
    """The paths of all UEs of a base station are those from the base station: one table, not one for each UE."""
    ues = [f"ue{number}" for number in range(50)]
    paths = ShortestPaths(both_ways([("gnb", name) for name in (*ues, "edge")]))
    for name in ues:
        for source, target in ((name, name), (name, "gnb"), (name, "edge"), ("edge", name), ("gnb", name)):
            paths.path(source, target)
    assert list(paths._trees) == ["gnb"]


def test_messages_go_through_the_broker() -> None:
    paths = ShortestPaths(both_ways([("a", "b"), ("b", "c")]))
    assert paths.path_through(None, "a", "b") == paths.path("a", "b")
    assert paths.path_through("c", "a", "b") == paths.path("a", "c") + paths.path("c", "b")
    assert paths.path_through("c", "a", "a") == ()
