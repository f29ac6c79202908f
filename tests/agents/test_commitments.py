"""Compare what a policy knows of a queue with the queue itself."""

from hypothesis import given
from hypothesis import strategies as st

from agents.split_inference.commitments import Commitment, Commitments

MS = st.integers(0, 200)
VISITS = st.lists(st.tuples(MS, st.integers(1, 50)), max_size=12)  # (arrival, service)


def free_at(visits: list[tuple[int, int]], until: int) -> int:
    """Return when a first-in-first-out server has done what arrives up to `until`."""
    free = 0
    for arrival, service in sorted(visits):
        if arrival <= until:
            free = max(free, arrival) + service
    return free


@given(VISITS, MS, MS, MS)
def test_with_exact_expectations_the_queue_is_known_whatever_the_age(
    visits: list[tuple[int, int]], now: int, age: int, ahead: int
) -> None:
    known = Commitments()
    for arrival, service in visits:
        known.add(0, [Commitment("edge", arrival, service)])
    heard = now - age
    backlog = max(0, free_at(visits, heard) - max(heard, 0)) if heard >= 0 else 0
    start = known.start_ns("edge", now, heard, backlog, ahead)
    assert now + start == max(free_at(visits, now + ahead), now + ahead)


@given(VISITS)
def test_visits_count_at_their_own_node_alone(visits: list[tuple[int, int]]) -> None:
    known = Commitments()
    for arrival, service in visits:
        known.add(0, [Commitment("edge1", arrival, service)])
    assert known.start_ns("edge2", 0, 0, 0, 1000) == 1000
