"""The policy that takes the choice with the best score, whatever computes the scores."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents.offload.episodes import coupled_layout_of
from agents.split_inference.encoding import Layout, layout_of
from agents.split_inference.run_encoder import RunEncoder
from emulator.core.arrays import Flags, Float32s
from emulator.policy import Observation
from emulator.system import Control, System
from emulator.task import Placement

Scores = Callable[[Float32s, Flags], Float32s]  # (features,) and a mask (choices,) to (choices,)


class Scorer(NamedTuple):
    """What computes the scores, and the layout of its inputs and outputs."""

    scores: Scores
    layout: Layout


class BestChoice:
    """Takes the candidate with the highest score; of equals, the first. What is no candidate is never taken, however
    high its score is. Each decision takes `decision_ns` of the run's time."""

    def __init__(self, file: Path, scorer: Scorer, control: Control, decision_ns: int) -> None:
        self.decision_ns = decision_ns
        self._file, self._scores = file, scorer.scores
        self._encoder = RunEncoder(scorer.layout, control)
        self.hear = self._encoder.hear

    def decide(self, observation: Observation) -> Placement:
        """Return the candidate with the highest score. Raises ValueError if the score of a candidate is no number."""
        features, placements, mask = self._encoder.encode(observation)
        scores = self._scores(features, mask)
        if np.isnan(scores[mask]).any():
            raise ValueError(f"file={self._file}: must give a number for each choice, not NaN")
        placement = placements[int(np.argmax(np.where(mask, scores, -np.inf)))]
        self._encoder.note(observation, placement)
        return placement


def layout_by_size(file: Path, environment: str | None, features: int, system: System) -> Layout:
    """Return the layout of a named environment for the system; without a name, of the one whose observations have so
    many features. Raises ValueError, which begins with the file, if none has."""
    layouts = {"split-inference": layout_of(system), "offload": coupled_layout_of(system)}
    possible = {name: each for name, each in layouts.items() if environment in (None, name)}
    for layout in possible.values():
        if layout.features == features:
            return layout
    sizes = " or ".join(f"{each.features} ({name})" for name, each in possible.items())
    raise ValueError(f"file={file}: must take the features of an environment of the scenario, {sizes}, not {features}")


def require_choices(file: Path, layout: Layout, choices: int) -> None:
    """Raise ValueError unless a network has so many outputs as the layout has choices."""
    if choices != layout.choices:
        expected = f"a score for each of the scenario's {layout.choices} choices"
        raise ValueError(f"file={file}: must give {expected}, not {choices}")
