"""The surrogate against held-out measurements, and PPO on it, on the table and with the language model in the loop."""

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from agents.layer_split.channels import CHANNELS
from agents.layer_split.environment import problem_of
from agents.layer_split.exact import optimal_episodes
from agents.layer_split.learned import PlayedEpisodes, most_likely, play
from agents.layer_split.live import live_losses
from agents.layer_split.losses import CODEC
from agents.layer_split.setting import LayerSplitSetting
from agents.layer_split.surrogate import Measurements, SurrogateLosses, fit, gains_of
from agents.learning.settings import PpoSettings
from benchmarks.layer_split.agents import SETTINGS, ppo, test_starts
from emulator.core.arrays import Floats
from topologies.quality.measurement import Case

HELD_OUT_WINDOWS = 2
LIVE_SETTINGS = PpoSettings(
    total_timesteps=600, num_envs=1, num_steps=60, num_minibatches=2, learning_rate=3e-3, gamma=0.99, update_epochs=10
)
"""A tenth of the published number of steps with the model in the loop; rollouts of 60 instead of 100."""


class Fit(NamedTuple):
    """Root mean squared errors of gains on held-out measurements: of the surrogate, of the means of each split and
    level on the windows that it was fitted to, and of one number for all; and of the surrogate against the table's
    means."""

    measurements: int
    held_out: int
    surrogate: float
    cell_means: float
    constant: float
    against_table: float


class Training(NamedTuple):
    """PPO on one model of losses. `return_on_table`: mean return on the table; `same_split`: share of steps of test
    episodes at which it has the split of PPO on the surrogate."""

    trained_on: str
    environment_steps: int
    wall_s: float
    model_runs: int
    return_on_table: float
    gap_percent: float
    same_split: float


def measurements(units: Mapping[Case, Floats], channel: str, windows: slice) -> Measurements:
    """Return the single measurements of a channel on some of the windows, the harmless level 0 among them."""
    delivery = CHANNELS[channel].delivery
    cases = [case for case in units if case.codec == CODEC and case.delivery in {"", delivery}]
    columns = [units[case].ravel()[windows] for case in cases]
    repeats = len(columns[0])
    levels = np.repeat([case.level for case in cases], repeats)
    splits = np.repeat([case.cut - 1 for case in cases], repeats)
    return Measurements(levels, splits, gains_of(np.concatenate(columns)))


def fitted(units: Mapping[Case, Floats], channel: str, seed: int) -> tuple[SurrogateLosses, Fit]:
    """Return a surrogate that is fitted to all windows but the last, and its errors on those."""
    known = measurements(units, channel, slice(None, -HELD_OUT_WINDOWS))
    unseen = measurements(units, channel, slice(-HELD_OUT_WINDOWS, None))
    surrogate = fit(known, seed)
    means = {
        key: known.gains[(known.levels == key[0]) & (known.splits == key[1])].mean()
        for key in set(zip(known.levels.tolist(), known.splits.tolist(), strict=True))
    }
    cells = np.array([means[key] for key in zip(unseen.levels.tolist(), unseen.splits.tolist(), strict=True)])
    levels, splits = (np.array(column) for column in zip(*means, strict=True))
    table = gains_of(problem_of(channel).loss_model.losses(levels, splits))
    errors = (
        surrogate.gains(unseen.levels, unseen.splits) - unseen.gains,
        cells - unseen.gains,
        known.gains.mean() - unseen.gains,
        surrogate.gains(levels, splits) - table,
    )
    return surrogate, Fit(len(known.gains), len(unseen.gains), *(float(np.sqrt(np.mean(each**2))) for each in errors))


def trainings(surrogate: SurrogateLosses, channel: str, setting: LayerSplitSetting, seed: int) -> Iterator[Training]:
    """Train PPO on the surrogate, on the table, and with the language model in the loop, and compare what they earn."""
    table = problem_of(channel, setting)
    starts = test_starts(table)
    optimum = float(optimal_episodes(table, starts).returns.mean())
    live = live_losses("smollm2-135m", CHANNELS[channel].delivery, setting.max_split, 10, 64, seed)
    reference: PlayedEpisodes | None = None
    for name, problem, settings in (
        ("surrogate", problem_of(channel, setting, surrogate), SETTINGS),
        ("table", table, SETTINGS),
        ("surrogate, as few steps as live", problem_of(channel, setting, surrogate), LIVE_SETTINGS),
        ("live model", problem_of(channel, setting, live), LIVE_SETTINGS),
    ):
        begun_s = time.perf_counter()
        weights = ppo(problem, seed, settings)
        wall_s = time.perf_counter() - begun_s
        played = play(table, starts, most_likely(weights))
        reference = reference or played
        earned = float(played.returns.mean())
        # An episode runs the model at its start and at each step; the step that starts it is one of the environment.
        runs = settings.total_timesteps if name == "live model" else 0
        same = float((played.splits == reference.splits).mean())
        gap = 100 * (optimum - earned) / abs(optimum)
        yield Training(name, settings.total_timesteps, wall_s, runs, earned, gap, same)
