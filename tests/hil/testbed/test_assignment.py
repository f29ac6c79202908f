"""Assignment of nodes to workers: when nodes move, when they return, and that each move is logged once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.testbed.assignment import Assignment, Move

HOMES = {"ue1": "a", "edge1": "b", "edge2": "b"}
MODELS = {"ue1": ["m", "n"], "edge1": ["m", "n"], "edge2": ["m"]}


def test_node_of_a_lost_worker_moves_once_and_returns_with_it(caplog: pytest.LogCaptureFixture) -> None:
    assignment = Assignment(HOMES, MODELS)
    assert assignment.assign(1, "m", ["ue1", "edge1"], "ab") == {"ue1": "a", "edge1": "b"}
    assert assignment.assign(2, "m", ["ue1", "edge1"], "a") == {"ue1": "a", "edge1": "a"}
    assert assignment.assign(3, "n", ["ue1", "edge1"], "a") == {"ue1": "a", "edge1": "a"}
    assert assignment.assign(4, "n", ["edge1"], "ab") == {"edge1": "b"}
    assert assignment.assign(5, "m", ["edge1"], "ab") == {"edge1": "b"}
    assert assignment.moves == [
        Move(2, "edge1", "b", "a", ("m", "n"), "b lost"),
        Move(4, "edge1", "a", "b", ("m", "n"), "b back"),
    ]
    assert caplog.messages == [
        "worker b: lost; edge1 runs on a from now on",
        "worker b: back; edge1 runs on b from now on",
    ]
    assert str(assignment.moves[0]) == "edge1: a instead of b from task 2 on (m, n; b lost)"


def test_only_the_refused_model_moves(caplog: pytest.LogCaptureFixture) -> None:
    assignment = Assignment(HOMES, MODELS)
    assignment.refuse("b", "m")
    for number in (1, 3):
        assert assignment.assign(number, "m", ["edge1"], "ab") == {"edge1": "a"}
        assert assignment.assign(number + 1, "n", ["edge1"], "ab") == {"edge1": "b"}
    assert assignment.moves == [Move(1, "edge1", "b", "a", ("m",), "b refuses")]
    assert caplog.messages == ["worker b: refuses m; edge1 runs it on a from now on"]


def test_moved_node_stays_on_its_substitute() -> None:
    assignment = Assignment(HOMES, MODELS)
    substitutes = assignment.assign(1, "m", ["edge2"], "acd")
    assert substitutes == {"edge2": "c"}
    assert assignment.assign(2, "m", ["edge1", "edge2"], "acd") == {"edge1": "d", "edge2": "c"}
    assert assignment.assign(3, "m", ["edge2", "edge1"], "acd") == {"edge1": "d", "edge2": "c"}
    assert assignment.assign(4, "m", ["edge2"], "acd") == substitutes
    assert len(assignment.moves) == 2


TASKS = st.lists(
    st.tuples(
        st.sampled_from("mn"), st.lists(st.sampled_from(["ue1", "edge1"]), min_size=1), st.sets(st.sampled_from("abc"))
    )
)


@given(TASKS, st.sets(st.tuples(st.sampled_from("abc"), st.sampled_from("mn"))))
def test_homes_and_moves_determine_where_every_task_ran(
    tasks: list[tuple[str, list[str], set[str]]], refusals: set[tuple[str, str]]
) -> None:
    assignment = Assignment(HOMES, MODELS)
    for refusal in refusals:
        assignment.refuse(*refusal)
    for number, (model, nodes, live) in enumerate(tasks, 1):
        placed = assignment.assign(number, model, nodes, live)
        fit = {worker for worker in live if (worker, model) not in refusals}
        assert (placed is None) == (not fit)
        for node, worker in (placed or {}).items():
            assert worker in fit
            assert worker == HOMES[node] or HOMES[node] not in fit
            expected = HOMES[node]
            for move in assignment.moves:
                if move.node == node and model in move.models:
                    assert move.former == expected
                    expected = move.worker
            assert expected == worker
