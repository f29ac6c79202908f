"""Interference that comes and goes: on and off for exponential times (Gilbert's two states in continuous time)."""

import numpy as np

from emulator.channel.radio import Bursts
from emulator.core.arrays import Floats, Ints

DRAWN = 512  # times at once: of no consequence but to speed


class BurstShare:
    """How much of each slot a burst covers. Stationary from time 0 on: it begins on with the share of time that
    bursts have, and the exponential law needs no memory of how long. Raises ValueError for a mean time below 1 ns."""

    def __init__(self, bursts: Bursts, rng: np.random.Generator) -> None:
        for name in ("mean_on_ns", "mean_off_ns"):
            if not getattr(bursts, name) >= 1:
                raise ValueError(f"bursts.{name}={getattr(bursts, name)}: must be at least 1")
        self._rng = rng
        on_share = bursts.mean_on_ns / (bursts.mean_on_ns + bursts.mean_off_ns)
        self._means_ns = (bursts.mean_on_ns, bursts.mean_off_ns)
        self._first_on = 0 if rng.random() < on_share else 1  # of the drawn times, each second one from here is on
        self._edges_ns = np.zeros(1)  # where a state begins or ends: the kept part of all of them
        self._on_ns = np.zeros(1)  # time spent on, up to each edge

    def of(self, edges_ns: Ints) -> Floats:
        """The share of each slot between successive edges that is on, shape (len(edges) - 1,). Calls must go
        forwards in time; how they cut it changes no value."""
        while self._edges_ns[-1] < edges_ns[-1]:
            self._draw()
        on_ns = np.interp(edges_ns, self._edges_ns, self._on_ns)
        passed = int(np.searchsorted(self._edges_ns, edges_ns[-1], side="right")) - 1
        even = passed - passed % 2  # so that the first of the kept states stays the one that it was
        self._edges_ns, self._on_ns = self._edges_ns[even:], self._on_ns[even:]
        share: Floats = np.diff(on_ns) / np.diff(edges_ns)
        return share

    def _draw(self) -> None:
        first, second = self._means_ns if self._first_on == 0 else self._means_ns[::-1]
        times_ns = self._rng.standard_exponential(DRAWN) * np.tile([first, second], DRAWN // 2)
        on = np.arange(DRAWN) % 2 == self._first_on
        self._edges_ns = np.concatenate((self._edges_ns, self._edges_ns[-1] + np.cumsum(times_ns)))
        self._on_ns = np.concatenate((self._on_ns, self._on_ns[-1] + np.cumsum(times_ns * on)))
