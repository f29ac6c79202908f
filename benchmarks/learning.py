"""Training steps per second of PPO, compared with Stable-Baselines3, and the speed-up of A3C from a second process."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from agents.learning import a3c, fast_ppo
from agents.learning.networks import one_thread
from agents.learning.settings import A3cSettings, PpoSettings
from agents.learning.training.supervision import Supervision, TrainingPoint
from agents.split_inference.environment import episodes_of
from agents.split_inference.episodes import Episodes
from agents.split_inference.vector_environment import SplitInferenceVector
from benchmarks.rows import Row, row

SCENARIO = str(Path(__file__).parents[1] / "topologies" / "quickstart.yaml")
ENVIRONMENTS, STEPS, EPOCHS, BATCH, HIDDEN = 8, 128, 10, 256, 64
ROLLOUTS = 6  # of a repeat
REPEATS = 7  # the best counts, since other load only slows it down
A3C_UPDATES = 2_000  # of both workers together
A3C_REPEATS = 3


def ppo_rows() -> Iterator[Row]:
    """Both with the same networks, environments, rollouts, epochs and batches, on one thread."""
    from stable_baselines3 import PPO

    from agents.learning.stable_baselines import OfStableBaselines

    episodes = _episodes()
    settings = PpoSettings(
        ROLLOUTS * STEPS * ENVIRONMENTS, ENVIRONMENTS, STEPS, update_epochs=EPOCHS, gamma=0.99,
        num_minibatches=STEPS * ENVIRONMENTS // BATCH, hidden=HIDDEN,
    )  # fmt: skip
    make = partial(SplitInferenceVector, episodes=episodes)
    peer = PPO(
        "MlpPolicy", OfStableBaselines(make(ENVIRONMENTS)), n_steps=STEPS, batch_size=BATCH, n_epochs=EPOCHS,
        policy_kwargs={"net_arch": [HIDDEN, HIDDEN]}, seed=1, device="cpu",
    )  # fmt: skip
    fast_ppo.train(make, settings, 1)  # compiles
    own_s, peer_s = [], []
    with one_thread():
        for _ in range(REPEATS):  # in turns, so that both run under the same load
            start = time.perf_counter()
            fast_ppo.train(make, settings, 1)
            own_s.append(time.perf_counter() - start)
            start = time.perf_counter()
            peer.learn(settings.total_timesteps)
            peer_s.append(time.perf_counter() - start)
    steps = settings.total_timesteps
    yield row("ppo_steps_per_s", steps / min(own_s), "1/s", "stable-baselines3 PPO", steps / min(peer_s))


def a3c_rows() -> Iterator[Row]:
    """Two workers in processes, compared with one."""
    episodes = _episodes()
    best = {1: 0.0, 2: 0.0}
    for _ in range(A3C_REPEATS):
        for workers, value in best.items():
            best[workers] = max(value, _updates_per_s(episodes, workers))
    yield row("a3c_speedup_2_workers", best[2], "updates/s", "one worker", best[1])


def _episodes() -> Episodes:
    return episodes_of(SCENARIO, episodes=16, steps=32, seed=0)


def _updates_per_s(episodes: Episodes, workers: int) -> float:
    """Return updates per second between the first and the last report: without the start of processes."""
    steps = A3cSettings().num_envs * A3cSettings().num_steps
    reports: list[tuple[float, int]] = []

    def report(point: TrainingPoint) -> None:
        if point.done < point.total:
            reports.append((time.perf_counter(), point.done))

    settings = A3cSettings(A3C_UPDATES * steps, workers=workers, asynchronous=True)
    a3c.train(partial(SplitInferenceVector, episodes=episodes), settings, 1, Supervision((report,)))
    (start, first), (end, last) = reports[0], reports[-1]
    return (last - first) / steps / (end - start)
