"""Early stopping: on traces of validation only, and with the best parameters."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from agents import training
from agents.learning import fast_ppo
from agents.learning.settings import PpoSettings
from agents.learning.training.supervision import Supervision, TrainingPoint
from agents.learning.training.validation import Validation
from agents.learning.training.weights import Weights
from agents.split_inference.episodes import Episodes, EpisodeSettings
from agents.split_inference.isolated_tasks import IsolatedTasks
from agents.split_inference.learned import actor_logits
from agents.trainer import train_agent
from agents.training import train_missing
from emulator.core.cache import Cache
from tests.agents.learning.problems import TwoStates
from tests.agents.systems import small_system
from tests.agents.test_training import TASKS, silent
from topologies.build import build
from topologies.loading.loader import load

QUICKSTART = Path(__file__).parents[2] / "topologies" / "quickstart.yaml"
VALIDATION = IsolatedTasks(Episodes([small_system(3)], EpisodeSettings(8, 16, 3)))


def test_training_stops_with_the_best_parameters() -> None:
    """Scores are given: the best is the third, and three more follow it."""
    scores = iter([1.0, 2.0, 5.0, 4.0, 5.0, float("nan"), 9.0])
    seen: list[Weights] = []

    def score(weights: Weights) -> float:
        seen.append(weights)
        return next(scores)

    points: list[TrainingPoint] = []
    settings = PpoSettings(20 * 48, num_envs=6, num_steps=8, update_epochs=1)
    weights, curve = fast_ppo.train(TwoStates, settings, 1, Supervision((points.append,), None, Validation(score, 3)))
    assert [point["step"] for point in curve] == [48 * number for number in range(1, 7)]
    assert [point["validation_return"] for point in curve[:5]] == [1, 2, 5, 4, 5]
    assert all(np.array_equal(weights[name], seen[2][name]) for name in weights)
    assert not np.array_equal(weights["actor.0.weight"], seen[5]["actor.0.weight"])
    assert (points[-1].done, points[-1].total, points[-2].total) == (6 * 48, 6 * 48, 20 * 48)


def test_validation_without_an_end_changes_the_choice_only() -> None:
    """The updates are those of a training that is not validated."""
    last: dict[str, Weights] = {}

    def score(weights: Weights) -> float:
        last["weights"] = weights
        return 0.0

    settings = PpoSettings(10 * 48, num_envs=6, num_steps=8, update_epochs=1)
    fast_ppo.train(TwoStates, settings, 1, Supervision(validation=Validation(score, 100)))
    plain, _ = fast_ppo.train(TwoStates, settings, 1)
    assert all(np.array_equal(last["weights"][name], plain[name]) for name in plain)


def test_the_score_is_what_the_best_choices_earn() -> None:
    """Against a walk through the episodes, task by task."""
    checkpoint, _ = train_agent("ppo", TASKS, {"total_timesteps": 2_048}, 1, silent)
    returns = []
    episodes = VALIDATION.episodes
    for number in range(len(episodes)):
        rows, earned = episodes.rows(number), 0.0
        for step in range(episodes.settings.steps):
            logits = actor_logits(checkpoint.weights, rows.observations[step], rows.masks[step])
            earned += rows.rewards[step, int(np.argmax(logits))]
        returns.append(earned)
    assert VALIDATION.mean_return(checkpoint.weights) == pytest.approx(np.mean(returns))


@pytest.mark.parametrize("agent", ["ppo", "a2c", "a3c"])
def test_an_agent_is_stopped_early(agent: str) -> None:
    settings = {"total_timesteps": 60_000, "learning_rate": 3e-3}
    checkpoint, curve = train_agent(agent, TASKS, settings, 1, silent, validation=VALIDATION, patience=3)
    scores = [point["validation_return"] for point in curve]
    best = int(np.argmax(scores))
    assert curve[-1]["step"] < 59_000
    assert best == len(scores) - 4
    assert VALIDATION.mean_return(checkpoint.weights) == pytest.approx(scores[best])
    validated = {part for link in VALIDATION.systems[0].links for part in link.trace.lineage}
    assert validated <= set(checkpoint.training.lineage)  # so that no run on them is accepted


def test_validation_shares_no_trace_with_training_or_run() -> None:
    for validation in (IsolatedTasks(Episodes([small_system(1)], EpisodeSettings(2, 2, 0))), VALIDATION):
        with pytest.raises(ValueError, match="training must share no data"):
            train_agent("ppo", TASKS, {}, 1, silent, validation=validation, tested=[small_system(3)])


def test_the_channels_of_the_run_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run's seed changes all of its channels, and neither the agent nor its scores."""
    monkeypatch.setattr(training, "EpisodeSettings", partial(EpisodeSettings, 8, 8))  # 64 take seconds
    changes = [
        "tasks[0].cuts=[13]",
        "training.steps=8192",
        "training.traces=1",
        "training.duration_s=2",
        "training.validation_traces=1",
    ]
    changes += ["policies=[{type: ppo}]", "hil=null", "realtime.policy=ppo", "duration_s=1", "training.patience=1"]
    results = []
    for seed in (1, 2):
        scenario = load(QUICKSTART, [*changes, f"seed={seed}"])
        results.append(train_missing(scenario, QUICKSTART.parent, silent, {}, Cache())["ppo"])
        used = set(results[-1][0].training.lineage)
        run = {part for link in build(scenario, QUICKSTART.parent).links for part in link.trace.lineage}
        assert not any(one.source == other.source and one.overlaps(other) for one in used for other in run)
    (first, curve), (second, again) = results
    assert first.sha256 == second.sha256
    assert curve == again
    assert "validation_return" in curve[-1]
