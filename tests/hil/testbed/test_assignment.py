"""Who stands for whom: nodes move when they must, go home when they can, and every move is said once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.testbed.assignment import Move, Seats

HOMES = {"ue1": "a", "edge1": "b", "edge2": "b"}
MODELS = {"ue1": ["m", "n"], "edge1": ["m", "n"], "edge2": ["m"]}


def test_a_lost_worker_moves_its_node_once_and_back_when_it_returns(caplog: pytest.LogCaptureFixture) -> None:
    seats = Seats(HOMES, MODELS)
    assert seats.place(1, "m", ["ue1", "edge1"], "ab") == {"ue1": "a", "edge1": "b"}
    assert seats.place(2, "m", ["ue1", "edge1"], "a") == {"ue1": "a", "edge1": "a"}
    assert seats.place(3, "n", ["ue1", "edge1"], "a") == {"ue1": "a", "edge1": "a"}
    assert seats.place(4, "n", ["edge1"], "ab") == {"edge1": "b"}
    assert seats.place(5, "m", ["edge1"], "ab") == {"edge1": "b"}
    assert seats.moves == [
        Move(2, "edge1", "b", "a", ("m", "n"), "b lost"),
        Move(4, "edge1", "a", "b", ("m", "n"), "b back"),
    ]
    assert caplog.messages == [
        "worker b: lost; edge1 runs on a from now on",
        "worker b: back; edge1 runs on b from now on",
    ]
    assert str(seats.moves[0]) == "edge1: a instead of b from task 2 on (m, n; b lost)"


def test_a_refused_model_moves_alone(caplog: pytest.LogCaptureFixture) -> None:
    seats = Seats(HOMES, MODELS)
    seats.refuse("b", "m")
    for number in (1, 3):
        assert seats.place(number, "m", ["edge1"], "ab") == {"edge1": "a"}
        assert seats.place(number + 1, "n", ["edge1"], "ab") == {"edge1": "b"}
    assert seats.moves == [Move(1, "edge1", "b", "a", ("m",), "b refuses")]
    assert caplog.messages == ["worker b: refuses m; edge1 runs it on a from now on"]


def test_a_node_away_from_home_stays_whatever_else_a_task_needs() -> None:
    seats = Seats(HOMES, MODELS)
    alone = seats.place(1, "m", ["edge2"], "acd")
    assert alone == {"edge2": "c"}
    assert seats.place(2, "m", ["edge1", "edge2"], "acd") == {"edge1": "d", "edge2": "c"}
    assert seats.place(3, "m", ["edge2", "edge1"], "acd") == {"edge1": "d", "edge2": "c"}
    assert seats.place(4, "m", ["edge2"], "acd") == alone
    assert len(seats.moves) == 2


TASKS = st.lists(
    st.tuples(
        st.sampled_from("mn"), st.lists(st.sampled_from(["ue1", "edge1"]), min_size=1), st.sets(st.sampled_from("abc"))
    )
)


@given(TASKS, st.sets(st.tuples(st.sampled_from("abc"), st.sampled_from("mn"))))
def test_homes_and_moves_say_where_every_task_ran(
    tasks: list[tuple[str, list[str], set[str]]], refusals: set[tuple[str, str]]
) -> None:
    seats = Seats(HOMES, MODELS)
    for refusal in refusals:
        seats.refuse(*refusal)
    for number, (model, nodes, live) in enumerate(tasks, 1):
        placed = seats.place(number, model, nodes, live)
        fit = {worker for worker in live if (worker, model) not in refusals}
        assert (placed is None) == (not fit)
        for node, worker in (placed or {}).items():
            assert worker in fit
            assert worker == HOMES[node] or HOMES[node] not in fit
            told = HOMES[node]
            for move in seats.moves:
                if move.node == node and model in move.models:
                    assert move.former == told
                    told = move.worker
            assert told == worker
