"""Numbers of the problem, and its two forms: mended, and as published."""

from dataclasses import dataclass, field, replace

import numpy as np

from agents.layer_split.actions import Actions, AnySplit, Moves

NARROW, WIDE = (0.08, 0.22), (0.01, 0.3)  # ranges of the level at the start, both of the authors' code


@dataclass(frozen=True)
class LayerSplitSetting:
    """Numbers of the paper and of its authors' code, if not said otherwise.

    `alpha`: weight of the perplexity against the load of the UE; `level_range`, `scale_range` (ours),
    `start_splits`: uniform at the start of an episode; `drift`: relative change of the level for each layer that
    a step moves (up: less, down: more); `max_level`: a level above it counts as this one; `extra_layers`: layers that
    split p runs at the UE beyond p; `stay_repeats`: an action that keeps the split repeats the perplexity of the step
    before, at the start that of the episode before; `observes_progress`: the remaining steps and the split at the
    start, on which the best action depends, are observed. Raises ValueError (one line) for numbers that no episode can
    have.
    """

    alpha: float = 10.0
    max_split: int = 10
    steps: int = 5
    level_range: tuple[float, float] = NARROW
    scale_range: tuple[float, float] = (0.5, 1.5)
    start_splits: tuple[int, int] = (3, 6)
    drift: float = 0.0005
    max_level: float = 0.3
    actions: Actions = field(default_factory=Moves)
    extra_layers: int = 0
    stay_repeats: bool = False
    observes_progress: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.level_range[0] <= self.level_range[1] <= self.max_level:
            raise ValueError(
                f"level_range={self.level_range}: must ascend from 0 or more to {self.max_level:g} at most"
            )
        if not 0 < self.scale_range[0] <= self.scale_range[1]:
            raise ValueError(f"scale_range={self.scale_range}: must ascend from above 0")
        if not 1 <= self.start_splits[0] <= self.start_splits[1] <= self.max_split:
            raise ValueError(f"start_splits={self.start_splits}: must ascend from 1 to {self.max_split} at most")
        if self.steps < 1 or not 0 <= self.drift < 1:
            raise ValueError(f"steps={self.steps}, drift={self.drift:g}: must be at least 1, and from 0 to below 1")

    @property
    def reached_level(self) -> float:
        """The greatest level that an episode can reach: by moves down alone, as a way up and down again lowers it."""
        splits = np.arange(1, self.max_split + 1)
        step = int((splits[:, None] - self.actions.targets(self.max_split)).max())
        return self.level_range[1] * (1 + self.drift) ** min(self.start_splits[1] - 1, self.steps * step)


MENDED = LayerSplitSetting()
PRINTED = replace(MENDED, alpha=10.5, actions=AnySplit(), extra_layers=1, stay_repeats=True, observes_progress=False)
"""The authors' code: with any split, the weight of their runs with the model in the loop, split n after n + 1 layers, a
perplexity that outlives its episode, and an observation of noise, scale and split alone."""
