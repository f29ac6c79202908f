"""What happened in the running episodes so far, from which they are replayed."""

import numpy as np

from agents.learning.training.state import TrainingState, assign
from emulator.core.arrays import Ints
from emulator.stepping.systems import SteppedSystems


class EpisodeLog:
    """The episode of each run, and the plans of its steps so far. A system's state lies in many tables; some hundred
    decisions take it there again within milliseconds."""

    def __init__(self, runs: SteppedSystems) -> None:
        count = len(runs.decisions)
        self._runs, self._each = runs, np.arange(count)
        self._episodes, self._steps = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self._plans = np.zeros((count, runs.longest_episode), np.int32)

    def begin(self, run: int, episode: int) -> None:
        """Note that a run begins an episode."""
        self._episodes[run], self._steps[run] = episode, 0

    def add(self, plans: Ints) -> None:
        """Note that all runs are stepped under these plans."""
        self._plans[self._each, self._steps] = plans
        self._steps += 1

    def state(self) -> TrainingState:
        """Return a copy of the log."""
        plans = self._plans[:, : self._steps.max()].copy()
        return TrainingState({"episodes": self._episodes.copy(), "steps": self._steps.copy(), "plans": plans}, {})

    def restore(self, state: TrainingState) -> None:
        """Take a log, and the runs to its end. Raises KeyError or ValueError for the log of other runs."""
        assign(self._episodes, state.arrays["episodes"])
        assign(self._steps, state.arrays["steps"])
        assign(self._plans[:, : self._steps.max()], state.arrays["plans"])
        self._runs.decisions["is_over"] = True  # those with fewer steps wait for their turn
        for left in range(int(self._steps.max()), 0, -1):
            for run in np.flatnonzero(self._steps == left):
                self._runs.begin(int(run), int(self._episodes[run]))
            self._runs.step(self._plans[self._each, self._steps - left].astype(np.int64))
