"""The counter of Little's law against counting at every nanosecond."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.simulation.occupancy import Occupancy

STAYS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 60)), min_size=1, max_size=20)


@given(STAYS)
def test_area_peak_and_end_equal_counting_at_every_nanosecond(gaps_and_stays: list[tuple[int, int]]) -> None:
    occupancy = Occupancy()
    stays: list[tuple[int, int]] = []
    now_ns = 0
    for gap_ns, stay_ns in gaps_and_stays:
        now_ns += gap_ns
        occupancy.arrive(now_ns)
        occupancy.depart(now_ns + stay_ns)  # announced ahead of its time
        stays.append((now_ns, now_ns + stay_ns))
    inside = [sum(begin <= at < end for begin, end in stays) for at in range(max(end for _, end in stays))]
    peak = max(1 + sum(end > begin for _, end in stays[:index]) for index, (begin, _) in enumerate(stays))
    area_ns, last_ns = occupancy.finish()
    assert area_ns == sum(inside) == sum(end - begin for begin, end in stays)
    assert last_ns == max(*(end for _, end in stays), stays[-1][0])
    assert (occupancy.arrivals, occupancy.peak) == (len(stays), peak)


def test_a_task_that_never_leaves_is_noticed() -> None:
    occupancy = Occupancy()
    occupancy.arrive(3)
    occupancy.arrive(5)
    occupancy.depart(9)
    with pytest.raises(RuntimeError, match="1 tasks never left"):
        occupancy.finish()


def test_nothing_ever_came() -> None:
    assert Occupancy().finish() == (0, 0)
