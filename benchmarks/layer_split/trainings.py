"""PPO on surrogates, on the table and with the language model in the loop: trainings that are kept in a folder as soon
as they are done, and compared."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents.layer_split.channels import CHANNELS
from agents.layer_split.environment import problem_of
from agents.layer_split.exact import optimal_episodes
from agents.layer_split.learned import PlayedEpisodes, most_likely, play
from agents.layer_split.live import LiveLoss, LiveLosses, live_subject
from agents.layer_split.losses import TABLE, LossModel
from agents.layer_split.setting import LayerSplitSetting
from agents.learning.heads import environment_seed
from agents.learning.settings import PpoSettings
from benchmarks.layer_split.agents import SETTINGS, ppo, test_starts
from benchmarks.layer_split.intervals import interval
from benchmarks.layer_split.surrogate import SURROGATES, known_measurements
from emulator.core.arrays import Float32s
from emulator.core.files import atomic_write, file_sha256
from topologies.quality.subject import Subject
from topologies.quality.units import load_units

MODEL, WINDOWS, TOKENS = "smollm2-135m", 10, 64  # as the table was measured
FEW_STEPS = PpoSettings(
    num_envs=1, num_steps=100, num_minibatches=2, learning_rate=1e-3, gamma=0.99, update_epochs=10, ent_coef=0.0
)
"""For trainings with the model in the loop: the authors' rollouts and epochs. Batches of 50 (theirs: 25) and the rate
(theirs: 3e-4, without decay) learn more reliably from as few steps."""
LIVE = "live model"


class Plan(NamedTuple):
    """Trainings that differ in their seeds alone. `trained_on`: a surrogate's name, `table` or `live model`."""

    trained_on: str
    settings: PpoSettings
    seeds: Sequence[int]


class Comparison(NamedTuple):
    """Means over trainings. `wall_s`, `cpu_s`: of one training. `gap_percent`: to the optimum, with the interval of the
    mean (the least and the greatest with fewer than five seeds). `same_split`: share of steps of test episodes at which
    a policy has the split of that of the same seed on a surrogate, for each surrogate and number of steps before."""

    trained_on: str
    steps: int
    seeds: int
    model_runs: int
    wall_s: float
    cpu_s: float
    return_on_table: float
    gap_percent: float
    low: float
    high: float
    same_split: Mapping[str, float]


def plans(seeds: int, live_steps: int, live_seeds: int) -> list[Plan]:
    """Return the trainings that are compared: each source with enough steps, and with as many as the live model."""
    few = replace(FEW_STEPS, total_timesteps=live_steps)
    every = range(1, seeds + 1)
    enough = [Plan(name, SETTINGS, every) for name in (*SURROGATES, "table")]
    live = [Plan(LIVE, few, every[:live_seeds])] if live_seeds else []
    return [*enough, *(Plan(name, few, every) for name in SURROGATES), *live]


class Trainings:
    """Trainings of a channel and a setting, kept in `folder`. A file's name has a digest of what a training depends on
    besides the code: settings, table, and the seed of its environments."""

    def __init__(self, folder: Path, channel: str, setting: LayerSplitSetting) -> None:
        self._folder, self._channel, self._setting = folder, channel, setting
        folder.mkdir(parents=True, exist_ok=True)
        self._subject: Callable[[], Subject] = cache(
            lambda: live_subject(MODEL, setting.max_split, windows=WINDOWS, tokens=TOKENS)
        )

    def weights(self, trained_on: str, settings: PpoSettings, seed: int) -> tuple[Mapping[str, Float32s], float, float]:
        """Return an agent's parameters, and the wall and processor time of its training. A training whose losses were
        partly measured before an interruption is charged for those measured since. Raises ValueError (one line) for
        kept losses that do not fit the training."""
        path = self._path(trained_on, settings, seed, ".npz")
        if not path.is_file():
            losses = self._losses(trained_on, settings, seed)
            problem = problem_of(self._channel, self._setting, losses)
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            found = ppo(problem, seed, settings)
            times = np.array([time.perf_counter() - wall_s, time.process_time() - cpu_s])
            with atomic_write(path) as file, file.open("wb") as stream:
                np.savez(stream, allow_pickle=False, times=times, **found)
        with np.load(path) as arrays:
            found = {name: arrays[name] for name in arrays if name != "times"}
            wall, cpu = arrays["times"].tolist()
        return found, wall, cpu

    def _path(self, trained_on: str, settings: PpoSettings, seed: int, suffix: str) -> Path:
        depends = [self._setting, settings, file_sha256(TABLE), environment_seed(seed), MODEL, WINDOWS, TOKENS]
        digest = hashlib.sha256(repr(depends).encode()).hexdigest()[:8]
        name = f"{self._channel}-{trained_on.replace(' ', '-')}-{settings.total_timesteps}-{seed}-{digest}"
        return self._folder / f"{name}{suffix}"

    def _losses(self, trained_on: str, settings: PpoSettings, seed: int) -> LossModel | None:
        if trained_on == "table":
            return None
        if trained_on in SURROGATES:
            return SURROGATES[trained_on](known_measurements(load_units(str(TABLE)), self._channel), seed)
        path = self._path(trained_on, settings, seed, ".losses")
        known = _kept_losses(path) if path.is_file() else []

        def keep(loss: LiveLoss) -> None:
            with path.open("a") as file:
                file.write(f"{loss.level!r} {loss.split} {loss.loss!r}\n")

        return LiveLosses(self._subject(), CHANNELS[self._channel].delivery, seed, known, keep, str(path))

    def comparison(self, planned: Sequence[Plan]) -> Iterator[Comparison]:
        """Train what is not trained yet, and yield what each plan earns on the table."""
        table = problem_of(self._channel, self._setting)
        starts = test_starts(table)
        optimum = float(optimal_episodes(table, starts).returns.mean())
        played: dict[Plan, list[PlayedEpisodes]] = {}
        for plan in planned:
            found = [self.weights(plan.trained_on, plan.settings, seed) for seed in plan.seeds]
            played[plan] = [play(table, starts, most_likely(weights)) for weights, _, _ in found]
            means = np.array([each.returns.mean() for each in played[plan]])
            same = {
                f"{other.trained_on} {other.settings.total_timesteps}": _agreement(played[plan], played[other])
                for other in played
                if other != plan and other.trained_on in SURROGATES
            }
            gaps = 100 * (optimum - means) / abs(optimum)
            wall_s, cpu_s = np.mean([times for _, *times in found], axis=0).tolist()
            steps = plan.settings.total_timesteps
            # An episode runs the model at its start and at each step. The environment counts the start as a step.
            runs = steps if plan.trained_on == LIVE else 0
            yield Comparison(
                plan.trained_on, steps, len(plan.seeds), runs, wall_s, cpu_s, float(means.mean()),
                float(gaps.mean()), *interval(gaps), same,
            )  # fmt: skip


def _kept_losses(path: Path) -> list[LiveLoss]:
    """Return the losses of a file, a line each. Raises ValueError (one line) for other lines."""
    found = []
    for line in path.read_text().splitlines():
        match line.split():
            case [level, split, loss]:
                found.append(LiveLoss(float(level), int(split), float(loss)))
            case _:
                raise ValueError(f"{path}: {line!r} must be a level, a split and a loss: remove the file")
    return found


def _agreement(one: Sequence[PlayedEpisodes], other: Sequence[PlayedEpisodes]) -> float:
    """Return the share of equal splits, in the mean over the seeds that both have."""
    shares = [(a.splits == b.splits).mean() for a, b in zip(one, other, strict=False)]
    return round(float(np.mean(shares)), 4)
