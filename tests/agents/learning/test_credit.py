"""Rewards that become known late, compared with a list of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agents.learning.credit import Credits, EarnedRewards


@given(
    waiting=st.integers(0, 6),
    T=st.integers(1, 4),
    delays=st.lists(st.integers(0, 9), min_size=1, max_size=40),
    resets=st.sets(st.integers(0, 39)),
)
def test_each_step_is_learned_once_with_its_own_reward(
    waiting: int, T: int, delays: list[int], resets: set[int]
) -> None:
    earned, learned = EarnedRewards(waiting, T, 1), dict[int, float]()
    rollouts = -(-len(delays) // T)
    for rollout in range(rollouts):
        earned.begin_rollout()
        for t in range(T):
            step = rollout * T + t
            known = [
                other
                for other in range(step + 1)
                if other not in resets and other + dict(enumerate(delays)).get(other, 99) == step
            ]
            ago, rewards = np.array([step - other for other in known], np.int64), np.array(known, np.float64)
            credited = Credits(np.zeros(len(known), np.int64), ago, rewards)
            earned.add(waiting + t, np.zeros(1), credited, np.array([step in resets]))
        first = rollout * T - waiting  # number of the step in row 0
        for row in np.flatnonzero(earned.take_settled()[:, 0]).tolist():
            assert first + row not in learned
            learned[first + row] = float(earned.rewards[row, 0])
    for step, delay in enumerate(delays):
        at = step + delay
        in_time = at < rollouts * T and step >= at // T * T - waiting  # its row was still there
        assert learned.get(step) == (step if in_time and step not in resets else None)
