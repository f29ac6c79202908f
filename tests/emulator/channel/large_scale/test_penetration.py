"""Outdoor-to-indoor loss against TR 38.901 7.4.3.1."""

import numpy as np
import pytest
from scipy import stats

from emulator.channel.large_scale.environment import environment_parameters
from emulator.channel.large_scale.penetration import NO_INDOOR_LOSS, draw_indoor_loss, wall_loss_db
from emulator.channel.radio import Environment, Penetration
from emulator.core.randomness import generator


@pytest.mark.parametrize(
    ("model", "carrier_hz", "worked_db"),
    [
        # glass 2.7 dB over 0.3, concrete 19 dB over 0.7 of the wall: 5 - 10 lg(0.16110 + 0.00881)
        ("low", 3.5e9, 12.70),
        # coated glass 24.05 dB over 0.7, concrete 19 dB over 0.3: 5 - 10 lg(0.0027548 + 0.0037768)
        ("high", 3.5e9, 26.85),
        # glass 7.6 dB, concrete 117 dB
        ("low", 28e9, 17.83),
    ],
)
def test_wall_loss(model: Penetration, carrier_hz: float, worked_db: float) -> None:
    assert wall_loss_db(model, carrier_hz) == pytest.approx(worked_db, abs=0.01)


@pytest.mark.parametrize(
    ("environment", "model", "farthest_m", "sigma_db"),
    [("umi", "low", 25.0, 4.4), ("uma", "high", 25.0, 6.5), ("rma", "low", 10.0, 4.4)],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_depth_and_loss_are_distributed_as_stated(
    environment: Environment, model: Penetration, farthest_m: float, sigma_db: float, seed: int
) -> None:
    row = environment_parameters(environment)
    found = [draw_indoor_loss(generator(seed, f"ue {ue}", "penetration"), row, model, 3.5e9) for ue in range(800)]
    depths_m = np.array([inside.depth_m for inside in found])
    # the lesser of two uniform draws: 1 - (1 - d / D)^2
    assert stats.kstest(depths_m, lambda d: 1 - (1 - d / farthest_m) ** 2).pvalue > 1e-3
    rest_db = np.array([inside.loss_db for inside in found]) - 0.5 * depths_m - wall_loss_db(model, 3.5e9)
    assert stats.kstest(rest_db / sigma_db, "norm").pvalue > 1e-3


def test_there_is_no_loss_outdoors() -> None:
    assert (
        draw_indoor_loss(generator(1, "ue", "penetration"), environment_parameters("inf-sh"), "none", 3.5e9)
        == NO_INDOOR_LOSS
    )
