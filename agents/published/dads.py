"""DADS: the minimum cut while frames come slowly, the shortest stage of a pipeline while they come fast.

Hu, Bao, Wang and Liu, "Dynamic adaptive DNN surgery for inference acceleration on the edge", INFOCOM 2019, Algorithm
3. With Te, Tt and Tc the times at the device, on the way and at the server, the minimum cut (Algorithm 1, DSL) has the
least sum. If it has a stage that takes longer than the time 1/Q between two frames, frames would queue, and the cut
with the least max{Te, Tt, Tc} is taken instead. That is a hard problem in a graph, for which Algorithm 2 (DSH) is an
approximation; the layers of a run are a chain, where enumeration is exact. Here 1/Q is the mean time between the last
arrivals of the source's stream, of several servers the best is taken, and nobody is told to send fewer frames.
"""

from collections import deque
from itertools import pairwise
from statistics import fmean

from agents.published.times_alone import SingleCuts, TimesAlone, computing_ns, transfer_ns
from agents.split_inference.exact import Estimate
from agents.split_inference.solver_policies import MinCut
from emulator.policy import Observation
from emulator.task import Placement, Task

REMEMBERED = 20  # gaps between arrivals


class Dads:
    """Chooses the single cut in the default codec with the least delay, or with the shortest stages where the former
    cannot keep up with the tasks; of equals, the first."""

    def __init__(self) -> None:
        self._minimum_cut = MinCut()
        self._cuts = SingleCuts(default_codec=True)
        self._arrivals_ns: dict[tuple[str, str], deque[int]] = {}

    def decide(self, observation: Observation) -> Placement:
        """Return the cut of the mode that the load asks for."""
        cuts, source = self._cuts.of(observation), observation.task.source
        seen = TimesAlone(observation, cuts)
        estimate = Estimate(seen)
        gap_ns = self._gap_ns(observation.task)
        light = self._minimum_cut.decide(seen)
        if slowest_stage_ns(estimate, source, light) <= gap_ns:
            return light
        return min(cuts, key=lambda placement: slowest_stage_ns(estimate, source, placement))

    def _gap_ns(self, task: Task) -> float:
        """Return the mean time between the last arrivals; infinite before the second one."""
        known = self._arrivals_ns.setdefault((task.source, task.kind.name), deque(maxlen=REMEMBERED + 1))
        if not known or known[-1] < task.arrival_ns:  # otherwise the task is placed again after a failure
            known.append(task.arrival_ns)
        return fmean(after - before for before, after in pairwise(known)) if len(known) > 1 else float("inf")


def slowest_stage_ns(estimate: Estimate, source: str, placement: Placement) -> float:
    """Return max{Te, Tt, Tc} of a single cut."""
    return max(*computing_ns(estimate, placement, source), transfer_ns(estimate, source, placement))
