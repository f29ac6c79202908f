"""Logs for TensorBoard hold the curve and change nothing."""

from pathlib import Path

import numpy as np
import pytest

from agents.learning import fast_ppo
from agents.learning.training.supervision import Supervision
from agents.learning.training.tensorboard import SCALARS, SPEED, TensorBoardLog
from tests.agents.learning.event_files import scalars_in
from tests.agents.learning.killed import PPO
from tests.agents.learning.problems import TwoStates
from tests.extras import module_of_extra


def test_logs_hold_the_curve(tmp_path: Path) -> None:
    module_of_extra("tensorboardX", "tracking")
    weights, curve = fast_ppo.train(TwoStates, PPO, 1, Supervision((TensorBoardLog(tmp_path / "logs"),)))
    plain, _ = fast_ppo.train(TwoStates, PPO, 1)
    assert all(np.array_equal(weights[name], plain[name]) for name in plain)
    scalars = scalars_in(tmp_path / "logs")
    assert scalars.keys() == {*SCALARS, SPEED} - {"validation_return"}
    for name in scalars.keys() - {SPEED}:
        expected = [(point["step"], point[SCALARS[name]]) for point in curve]
        assert scalars[name] == [pytest.approx(pair) for pair in expected if np.isfinite(pair[1])]
    assert all(value > 0 for _, value in scalars[SPEED])
