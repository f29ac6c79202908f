"""Every vector environment of the project refuses what is no action, before anything changes."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest

from agents.block_placement.environment import problem_of
from agents.block_placement.vector_environment import BlockPlacementVector
from agents.layer_split.vector_environment import LayerSplitVector
from agents.learning.seeded_vector import SeededVector
from agents.offload.episodes import OffloadSettings
from agents.offload.vector_environment import OffloadVector
from tests.agents.layer_split.problems import drawn_problem
from tests.agents.systems import small_system

ENVIRONMENTS: dict[str, Callable[[], SeededVector]] = {
    "layer split": lambda: LayerSplitVector(2, drawn_problem(8)),
    "block placement": lambda: BlockPlacementVector(2, problem_of(slots=5)),
    "offload": lambda: OffloadVector(2, [small_system()], OffloadSettings(1)),
}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_no_action_is_refused(environment: str) -> None:
    vector = ENVIRONMENTS[environment]()
    zeros = np.zeros(vector.action_space.shape or (), np.int64)
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset first"):
        vector.step(zeros)
    vector.reset(seed=1)
    wrong: Any
    for wrong in (zeros + 0.5, zeros.astype(bool), zeros - 1, zeros + 1_000, zeros[:1], np.full(zeros.shape, np.nan)):
        with pytest.raises(ValueError, match=r"^actions=.*: must be 2.* numbers in 0\.\."):
            vector.step(wrong)
    vector.step(zeros)
