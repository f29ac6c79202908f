"""A deterministic decision problem of finitely many steps, solved from its end."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agents.solvers.solution import FloatArray


class OptimalPlan(NamedTuple):
    """`values[t, s]`: greatest sum of rewards from step t on in state s, shape (T + 1, S); the last row is the value of
    the end. `actions[t, s]`: an action that reaches it, shape (T, S); of equals, the first."""

    values: FloatArray
    actions: NDArray[np.intp]


def backward_induction(rewards: ArrayLike, next_states: ArrayLike, final: ArrayLike = 0.0) -> OptimalPlan:
    """Return the optimal values and actions: V_t(s) = max_a r_t(s, a) + V_{t+1}(s'(s, a)) (Bellman, "Dynamic
    programming", 1957).

    `rewards[t, s, a]`, shape (T, S, A); -inf forbids an action. `next_states[s, a]`, shape (S, A), or one for each
    step, shape (T, S, A). `final[s]`: value of the state after the last step, shape (S,), or the same for all. Raises
    ValueError (one line) for other shapes, values that are NaN or +inf, and unknown states. Takes O(T S A).
    """
    rewards = np.asarray(rewards, dtype=np.float64)
    next_states = np.asarray(next_states)
    if rewards.ndim != 3 or next_states.shape not in {rewards.shape, rewards.shape[1:]}:
        raise ValueError(f"next_states: must have the shape (S, A) or (T, S, A) of rewards, not {next_states.shape}")
    final = np.asarray(final, dtype=np.float64)
    for name, values in (("rewards", rewards), ("final", final)):
        if not np.all(values < np.inf):
            raise ValueError(f"{name}: must not be NaN, nor infinite but for -inf")
    steps, states, choices = rewards.shape
    if not (states and choices):
        raise ValueError(f"rewards: must have a state and an action, not the shape {rewards.shape}")
    if final.shape not in {(), (states,)}:
        raise ValueError(f"final: must have the shape () or ({states}), not {final.shape}")
    if not np.issubdtype(next_states.dtype, np.integer) or np.any((next_states < 0) | (next_states >= states)):
        raise ValueError(f"next_states: must be integers within 0-{states - 1}")
    values = np.empty((steps + 1, states))
    values[steps] = final
    actions = np.empty((steps, states), dtype=np.intp)
    following = np.broadcast_to(next_states, rewards.shape)
    for step in reversed(range(steps)):
        totals = rewards[step] + values[step + 1][following[step]]
        actions[step] = np.argmax(totals, axis=1)
        values[step] = np.max(totals, axis=1)
    return OptimalPlan(values, actions)
