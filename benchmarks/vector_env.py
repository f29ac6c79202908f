"""Steps per second of the vector environment, compared with Gymnasium's SyncVectorEnv of the same environment."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gymnasium.vector import SyncVectorEnv, VectorEnv

from agents.split_inference.environment import SplitInference, episodes_of
from agents.split_inference.episodes import Episodes
from agents.split_inference.vector_environment import SplitInferenceVector
from benchmarks.rows import Row

SCENARIO = str(Path(__file__).parents[1] / "topologies" / "quickstart.yaml")
REPEATS = 5
SECONDS = 0.4  # of each repeat; the best counts, since other load only slows it down


def rows() -> Iterator[Row]:
    """Yield a row for 8 and for 256 environments."""
    episodes = episodes_of(SCENARIO, episodes=16, steps=32, seed=0)
    for count in (8, 256):
        yield _row(episodes, count)


def _row(episodes: Episodes, count: int) -> Row:
    own = SplitInferenceVector(count, episodes)
    peer = SyncVectorEnv([lambda: SplitInference(episodes)] * count)
    best = {"own": 0.0, "peer": 0.0}
    for _ in range(REPEATS):  # in turns, so that both run under the same load
        best["own"] = max(best["own"], steps_per_s(own, count))
        best["peer"] = max(best["peer"], steps_per_s(peer, count))
    return {
        "name": f"vector_env_steps_per_s_n{count}",
        "value": best["own"],
        "unit": "1/s",
        "peer": "gymnasium SyncVectorEnv",
        "peer_value": best["peer"],
        "ratio": best["own"] / best["peer"],
    }


def steps_per_s(environment: "VectorEnv[Any, Any, Any]", count: int) -> float:
    """Return environment steps per second with fixed actions, ends of episodes included."""
    environment.reset(seed=1)
    environment.action_space.seed(1)
    actions = environment.action_space.sample()
    environment.step(actions)  # compiles
    batches = 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS:
        for _ in range(100):
            environment.step(actions)
        batches += 100
    return batches * count / elapsed


if __name__ == "__main__":
    print(list(rows()))
