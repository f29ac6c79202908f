import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emulator.trace.fitted.variation import level_of, mean_spell_samples, window_means


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(-1, 5))
def test_mean_spell_by_its_definition(values: list[int], level: int) -> None:
    runs = [len(run) for run in "".join("l" if value <= level else " " for value in values).split()]
    mean = sum(runs) / len(runs) if runs else 0
    assert mean_spell_samples(np.array(values, dtype=float), level) == mean


def test_the_level_of_a_share_is_a_value() -> None:
    values = np.array([4.0, 1.0, 3.0, 2.0])
    assert [level_of(values, share) for share in (0.1, 0.25, 0.26, 1.0)] == [1, 1, 2, 4]


def test_means_over_all_windows() -> None:
    assert window_means(np.array([1.0, 3.0, 5.0, 0.0]), 2).tolist() == [2, 4, 2.5]
