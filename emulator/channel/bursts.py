"""Bursty interference: exponential on and off times (Gilbert's two states in continuous time)."""

import numpy as np

from emulator.channel.radio import Bursts
from emulator.core.arrays import Floats, Ints

DRAWN = 512  # times drawn at once; affects the speed only


class BurstShare:
    """Share of each slot that a burst covers. The process is stationary from time 0: the first state is on with the
    long-run probability, and exponential times have no memory. Raises ValueError for a mean time below 1 ns."""

    def __init__(self, bursts: Bursts, rng: np.random.Generator) -> None:
        for name in ("mean_on_ns", "mean_off_ns"):
            if not getattr(bursts, name) >= 1:
                raise ValueError(f"bursts.{name}={getattr(bursts, name)}: must be at least 1")
        self._rng = rng
        on_share = bursts.mean_on_ns / (bursts.mean_on_ns + bursts.mean_off_ns)
        self._means_ns = (bursts.mean_on_ns, bursts.mean_off_ns)
        self._first_on = 0 if rng.random() < on_share else 1  # index of the first drawn time that is on
        self._edges_ns = np.zeros(1)  # changes of state; past ones are dropped
        self._on_ns = np.zeros(1)  # cumulative on time at each edge

    def of(self, edges_ns: Ints) -> Floats:
        """Return the on share of each slot between successive edges, shape (len(edges) - 1,). Successive calls must go
        forward in time; values do not depend on how time is split into calls."""
        while self._edges_ns[-1] < edges_ns[-1]:
            self._draw()
        on_ns = np.interp(edges_ns, self._edges_ns, self._on_ns)
        passed = int(np.searchsorted(self._edges_ns, edges_ns[-1], side="right")) - 1
        even = passed - passed % 2  # an even number, so that the first kept state has the same kind
        self._edges_ns, self._on_ns = self._edges_ns[even:], self._on_ns[even:]
        share: Floats = np.diff(on_ns) / np.diff(edges_ns)
        return share

    def _draw(self) -> None:
        first, second = self._means_ns if self._first_on == 0 else self._means_ns[::-1]
        times_ns = self._rng.standard_exponential(DRAWN) * np.tile([first, second], DRAWN // 2)
        on = np.arange(DRAWN) % 2 == self._first_on
        self._edges_ns = np.concatenate((self._edges_ns, self._edges_ns[-1] + np.cumsum(times_ns)))
        self._on_ns = np.concatenate((self._on_ns, self._on_ns[-1] + np.cumsum(times_ns * on)))
