"""Search trees and groups: their order, their members and how they grow."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topologies.grouping import Branch, Key, Member, alternating, depth_first, grown, search_tree

COMPUTE = Key("compute_flops_per_s", "GFLOP/s", 1e9, (50, 200))
MEMORY = Key("memory_bytes", "MB", 1e6, (100, 1000))
members_of = st.lists(
    st.tuples(st.sampled_from([1e9, 50e9, 75e9, 200e9, 300e9]), st.sampled_from([1e6, 100e6, 400e6, 1000e6])),
    min_size=1,
    max_size=8,
).map(lambda pairs: [Member(f"n{number}", *pair) for number, pair in enumerate(pairs)])


def holds(least_mb: float) -> Callable[[Sequence[Member]], bool]:
    return lambda members: sum(member.memory_bytes for member in members) >= least_mb * 1e6


@given(members_of, st.permutations([COMPUTE, MEMORY]))
def test_the_search_visits_every_node_once_in_the_order_of_classes_then_values(
    members: list[Member], keys: list[Key]
) -> None:
    found = list(depth_first(search_tree(members, keys)))
    assert sorted(found) == sorted(members)
    classes = [[-key.class_of(member) for key in keys] for member in found]
    assert classes == sorted(classes)
    by_leaf = [
        (tuple(rank), [-getattr(member, key.field) for key in keys])
        for rank, member in zip(classes, found, strict=True)
    ]
    assert by_leaf == sorted(by_leaf)


@given(members_of)
def test_the_tree_does_not_depend_on_the_order_of_different_nodes(members: list[Member]) -> None:
    different = list({member[1:]: member for member in members}.values())
    assert search_tree(different, [COMPUTE, MEMORY]) == search_tree(different[::-1], [COMPUTE, MEMORY])


@given(members_of)
def test_each_branch_holds_nodes_of_its_class_only(members: list[Member]) -> None:
    tree = search_tree(members, [COMPUTE, MEMORY])
    for child in tree.children:
        below = list(depth_first(child))
        assert below
        assert {COMPUTE.label_of(COMPUTE.class_of(member)) for member in below} == {child.label}
    assert len({child.label for child in tree.children}) == len(tree.children)


@given(members_of, st.floats(1, 2000), st.integers(1, 4))
def test_groups_are_the_shortest_beginnings_that_hold_the_model(
    members: list[Member], needed_mb: float, least: int
) -> None:
    fits = holds(needed_mb)
    orders = [list(depth_first(search_tree(members, keys))) for keys in ([COMPUTE, MEMORY], [MEMORY, COMPUTE])]
    if not fits(members):
        with pytest.raises(ValueError, match=r"^groups: no group of n"):
            grown(orders[0], least, fits)
        return
    gpu, memory = (grown(order, least, fits) for order in orders)
    hybrid = grown(alternating(gpu, memory), least, fits)
    for group, order in zip((gpu, memory), orders, strict=True):
        assert list(group) == order[: len(group)]
        assert fits(group)
        assert len(group) >= min(least, len(members))
        assert len(group) == min(least, len(members)) or not fits(group[:-1])
    assert fits(hybrid)
    assert set(hybrid) <= set(gpu) | set(memory)


def test_labels_say_the_range() -> None:
    assert [COMPUTE.label_of(number) for number in range(3)] == [
        "below 50 GFLOP/s",
        "50 to 200 GFLOP/s",
        "from 200 GFLOP/s",
    ]
    assert Key("memory_bytes", "MB", 1e6, ()).label_of(0) == "any MB"


def test_a_tree_without_keys_is_a_leaf() -> None:
    nodes = (Member("a", 1.0, 2.0), Member("b", 3.0, 4.0))
    assert search_tree(nodes, ()) == Branch("", (), nodes)
