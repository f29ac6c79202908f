"""Edgent: the best answer that still comes in time.

Li, Zhou and Chen, "Edge intelligence: on-demand deep learning model co-inference with device-edge synergy", MECOMM
2018, Algorithm 1; for bandwidths that change slowly also in Li, Zeng, Zhou and Chen, "Edge AI", IEEE TWC 19(1), 2020.
Of the exits of a branchy network, from the most accurate one on, the first is taken whose best cut meets the latency
requirement. Models here have no exits: what trades accuracy for time is the codec of the activation, so that the
losses of quality at each cut and codec take the place of the accuracies of exits. The device computes the first
layers, where the paper's device computes the last. If nothing meets the deadline, the paper returns no plan, and here
the fastest cut is taken. The paper's form for bandwidths that change fast, a map from states of the bandwidth to such
plans, is not built: `cusum-ucb` detects changes of costs instead.
"""

from agents.published.times_alone import SingleCuts, TimesAlone, computing_ns, transfer_ns
from agents.split_inference.exact import Estimate
from emulator.policy import Observation
from emulator.task import Placement


class Edgent:
    """Chooses the single cut with the least expected loss of quality among those that meet the deadline as if nothing
    waited, and among these the fastest; the fastest of all if none meets it; of equals, the first."""

    def __init__(self) -> None:
        self._cuts = SingleCuts(default_codec=False)

    def decide(self, observation: Observation) -> Placement:
        """Return the best cut in time."""
        task, cuts = observation.task, self._cuts.of(observation)
        estimate = Estimate(TimesAlone(observation, cuts))

        def delay_ns(placement: Placement) -> float:
            computing = sum(computing_ns(estimate, placement, task.source))
            return computing + transfer_ns(estimate, task.source, placement)

        def loss_s(placement: Placement) -> float:
            return observation.quality_s(task.source, placement[-1]) if placement[-1].first else 0.0

        delays_ns = {placement: delay_ns(placement) for placement in cuts}
        in_time = [placement for placement in cuts if delays_ns[placement] <= task.kind.deadline_ns]
        if not in_time:
            return min(cuts, key=delays_ns.__getitem__)
        return min(in_time, key=lambda placement: (loss_s(placement), delays_ns[placement]))
