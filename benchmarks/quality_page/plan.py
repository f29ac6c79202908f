"""What is measured for the shipped tables, and a short form of it for the tests."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from emulator.activation.codecs import CODECS
from emulator.quality import DELIVERED
from topologies.quality.data import SampleSize
from topologies.quality.measurement import Case, cases

LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
BURST_LEVELS = (0.02, 0.1, 0.5, 1.0)
COMPARED = 0.1  # level at which deliveries are compared at every cut

PLAIN, BEST = "none/zero", "scatter/mean/t1/d4"
PLAIN_VISION, BEST_VISION = "none/zero", "scatter/mean"
PACKETS, BURSTS = "packets:1500", "bursts:1500x4"
"""As the default fragments of a link; bursts of four packets in the mean."""


@dataclass(frozen=True)
class Plan:
    """Codecs at all `cuts`, and each delivery at its levels, of activations in the codec `sent_in`."""

    cuts: tuple[int, ...]
    deliveries: Mapping[str, tuple[float, ...]]
    size: SampleSize
    codecs: tuple[str, ...] = tuple(CODECS)
    sent_in: str = DELIVERED

    @property
    def cases(self) -> list[Case]:
        """All cases, cut by cut."""
        single = cases(self.cuts, self.codecs, (), ())
        lossy = [
            Case(cut, self.sent_in, text, level)
            for cut in self.cuts
            for text, levels in self.deliveries.items()
            for level in levels
        ]
        return sorted([*single, *lossy], key=lambda case: case.cut)


LANGUAGE = {
    f"{PACKETS}/{PLAIN}": LEVELS,
    f"{PACKETS}/{BEST}": LEVELS,
    f"{PACKETS}/none/mean/t1": (COMPARED,),
    f"{PACKETS}/tokens/previous/t1": (COMPARED,),
    f"{BURSTS}/{PLAIN}": BURST_LEVELS,
    f"{BURSTS}/{BEST}": BURST_LEVELS,
    "scalars/none/zero": (COMPARED,),
    "tokens/none/zero": (COMPARED,),
    "noise/none/zero": (COMPARED,),
    "noise:1/none/zero": (COMPARED,),
}
VISION = {
    f"{PACKETS}/{PLAIN_VISION}": LEVELS,
    f"{PACKETS}/{BEST_VISION}": LEVELS,
    f"{PACKETS}/scatter/zero": (COMPARED,),
    f"{PACKETS}/none/mean": (COMPARED,),
    f"{BURSTS}/{PLAIN_VISION}": BURST_LEVELS,
    f"{BURSTS}/{BEST_VISION}": BURST_LEVELS,
    "scalars/none/zero": (COMPARED,),
    "noise/none/zero": (0.01, COMPARED, 1.0),
    "noise:1/none/zero": (0.01, COMPARED, 1.0),
}
PHOTOGRAPHS = {f"{PACKETS}/{PLAIN_VISION}": LEVELS, f"{PACKETS}/{BEST_VISION}": LEVELS}

FULL: Mapping[str, Plan] = {
    "smollm2-135m": Plan(tuple(range(1, 32, 3)), LANGUAGE, SampleSize(seeds=10, units=1, window_tokens=128)),
    "resnet8-fashion": Plan((1, 2, 3, 4), VISION, SampleSize(seeds=10, units=2, group_images=50)),
    "vgg-fashion": Plan((1, 3, 6, 7), VISION, SampleSize(seeds=10, units=2, group_images=50)),
    "efficientnet-lite0": Plan((5, 7, 9, 12, 13, 16, 17), PHOTOGRAPHS, SampleSize(seeds=5, units=1, group_images=40)),
}

LAYER_SPLIT_LEVELS = (0.05, 0.1, 0.2, 0.3)
LAYER_SPLIT = {
    f"scalars/{PLAIN}": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
    f"{PACKETS}/{PLAIN}": LAYER_SPLIT_LEVELS,
    f"{BURSTS}/{PLAIN}": LAYER_SPLIT_LEVELS,
    f"link:1500/{PLAIN}": LAYER_SPLIT_LEVELS,
    f"noise:1/{PLAIN}": LAYER_SPLIT_LEVELS,
}
FURTHER: Mapping[str, Plan] = {
    "layer-split/smollm2-135m": Plan(
        tuple(range(1, 13)), LAYER_SPLIT, SampleSize(seeds=10, units=1, window_tokens=64), ("fp16",), "fp16"
    )
}
"""For agents that cut the first layers: on many short windows, paired between the cuts."""


def shortened(plan: Plan) -> Plan:
    """Return a plan of the same kind that takes seconds: two cuts, two levels, few data."""
    deliveries = {
        text: tuple(level for level in levels if level in (COMPARED, 1.0)) for text, levels in plan.deliveries.items()
    }
    size = SampleSize(seeds=5, units=1, window_tokens=32, group_images=4)
    return replace(plan, cuts=(plan.cuts[0], plan.cuts[-1]), deliveries=deliveries, size=size)
