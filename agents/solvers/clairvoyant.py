"""The cheapest placements over time when all future costs are known and a change has a price."""

from numpy.typing import ArrayLike

from agents.solvers.solution import Solution
from agents.solvers.viterbi import ChainCosts, cheapest_path


def cheapest_schedule(costs: ArrayLike, migration: ArrayLike, entry: ArrayLike = 0.0) -> Solution:
    """Return the option of each slot with the least sum of costs and migrations: V_t(p) = min_q c_t(q) + mig(p, q) +
    V_{t+1}(q), the trellis of `viterbi` with a slot for a block.

    `costs[t, q]`: cost of option q (a cut, for instance) in slot t, shape (T, Q). `migration[p, q]`: cost of the change
    from option p to q, shape (Q, Q), or one for each slot but the first, shape (T - 1, Q, Q). `entry[q]`: cost of the
    change to option q before the first slot, shape (Q,). Here `placement[t]` is the option of slot t. The value is a
    lower bound for every policy only where tasks never overlap. Raises ValueError for other shapes or negative costs,
    Infeasible if every schedule has an infinite cost. Takes O(T Q²).
    """
    return cheapest_path(ChainCosts.checked(costs, migration, entry))
