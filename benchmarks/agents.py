"""Check that learned policies beat a random one, and measure their distance to the bound: `make check-agents`.

PPO, A2C and A3C are trained on the quickstart's training channels with five training seeds each, and tested with all
other policies on the same held-out channels, in the full simulation with queues. The exit code is 0 only if, for each,
the 95 % interval over training seeds of the mean cost saved against `random` is above zero.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from scipy import stats

from agents.baselines import FixedSplit, Split, edge_servers
from agents.registry import make_policy
from agents.split_inference.bound import bounds
from agents.split_inference.encoding import SOURCE, layout_of
from agents.split_inference.episodes import EpisodeSettings
from agents.split_inference.isolated_tasks import prepare_episodes
from agents.trainer import train_agent
from emulator.policy import Policy
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.system import System
from emulator.task import parse
from topologies.build import build, training_systems
from topologies.loading.loader import load

SCENARIO = Path(__file__).parents[1] / "topologies" / "quickstart.yaml"
TRAINING_SEEDS = (1, 2, 3, 4, 5)
TEST_SEEDS = (201, 202, 203)  # of the channels and arrivals that every policy is tested on
STEPS = 150_000
AGENTS = ("ppo", "a2c", "a3c")


class Result(NamedTuple):
    """Mean costs in seconds: one per training seed for an agent, one for any other policy."""

    name: str
    costs_s: tuple[float, ...]


def mean_cost_s(systems: Sequence[System], policies: Sequence[Policy]) -> float:
    """Return the mean cost of all tasks of the systems, each with its policy."""
    with tempfile.TemporaryDirectory() as folder:
        costs = [cost for each in zip(systems, policies, strict=True) for cost in task_costs_s(*each, Path(folder))]
    return float(np.mean(costs))


def task_costs_s(system: System, policy: Policy, folder: Path) -> Iterator[float]:
    """Simulate and yield the cost of each task."""
    with Records(folder) as records:
        Simulation(system).run(policy, "policy", records)
    table = pq.read_table(
        folder / "tasks.parquet",
        columns=["kind", "sojourn_ns", "erased_fraction", "quality_loss", "energy_j", "outcome"],
    )
    for kind, sojourn_ns, erased, loss, energy_j, outcome in zip(
        *(column.to_pylist() for column in table.columns), strict=True
    ):
        yield system.cost.of(kind, sojourn_ns, erased, loss or 0.0, energy_j, outcome == "failed")


def best_static(systems: Sequence[System]) -> Result:
    """Return the best fixed split for all sources in hindsight, that is on the test channels: the best of each kind in
    turn while the others stay fixed, starting with the whole model at the scenario's first edge server."""
    layout = layout_of(systems[0])
    splits = {kind: Split(0, edge_servers(systems[0])[0]) for kind in layout.kinds}
    best = mean_cost_s(systems, [FixedSplit(splits)] * len(systems))
    for kind, texts in zip(layout.kinds, layout.actions, strict=True):
        for text in texts:
            parts = parse(text)
            if len(parts) == 1 and parts[0].node != SOURCE:
                split = Split(0, parts[0].node)
            elif len(parts) == 2 and parts[0].node == SOURCE:
                split = Split(parts[1].first, parts[1].node, parts[1].codec)
            else:
                continue
            cost = mean_cost_s(systems, [FixedSplit({**splits, kind: split})] * len(systems))
            if cost < best:
                best, splits = cost, {**splits, kind: split}
    described = ", ".join(f"{kind} cut {cut} {node} {codec}".rstrip() for kind, (cut, node, codec) in splits.items())
    return Result(f"best fixed split ({described})", (best,))


def learned(agent: str, systems: Sequence[System]) -> Result:
    """Return an agent's mean cost for each training seed, which also selects its training channels."""
    costs = []
    for seed in TRAINING_SEEDS:
        scenario = load(SCENARIO, [f"training.seed={seed}"])
        episodes = prepare_episodes(training_systems(scenario, SCENARIO.parent), EpisodeSettings(seed=seed), _silent)
        checkpoint, _ = train_agent(agent, episodes, {"total_timesteps": STEPS}, seed, _silent, tested=systems)
        costs.append(mean_cost_s(systems, [make_policy(agent, {}, system, checkpoint) for system in systems]))
        print(f"{agent}, training seed {seed}: {costs[-1] * 1e3:.1f} ms", file=sys.stderr)
    return Result(agent, tuple(costs))


def saved_interval(random_s: float, costs_s: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % t interval over training seeds of the mean of `random_s` - cost."""
    saved = random_s - np.array(costs_s)
    half = float(stats.t.ppf(0.975, len(saved) - 1) * saved.std(ddof=1) / len(saved) ** 0.5)
    return float(saved.mean()) - half, float(saved.mean()) + half


def main() -> int:
    """Print the table and return the exit code."""
    systems = [build(load(SCENARIO, seed=seed), SCENARIO.parent) for seed in TEST_SEEDS]
    names = (
        "random",
        "all-device",
        "all-edge",
        "greedy",
        "exact",
        "single-cut",
        "min-cut",
        "viterbi",
        "device-subsets",
    )
    results = [
        Result(name, (mean_cost_s(systems, [make_policy(name, {}, each) for each in systems]),)) for name in names
    ]
    results.append(best_static(systems))
    results += [learned(agent, systems) for agent in AGENTS]
    bound_s = float(np.concatenate([bounds(system)["bound_s"].to_numpy() for system in systems]).mean())
    random_s = results[0].costs_s[0]
    print(f"{'policy':60} {'cost ms':>9} {'over bound':>11} {'saved against random, ms':>26}")
    good = True
    for name, costs_s in results:
        mean_s = float(np.mean(costs_s))
        line = f"{name:60} {mean_s * 1e3:9.1f} {mean_s / bound_s - 1:10.1%} {(random_s - mean_s) * 1e3:9.1f}"
        if name in AGENTS:
            low, high = saved_interval(random_s, costs_s)
            line += f" [{low * 1e3:.1f}, {high * 1e3:.1f}]"
            good = good and low > 0
        print(line)
    print(f"{'bound (a relaxation: every task alone, its channel known)':60} {bound_s * 1e3:9.1f}")
    print(
        f"{len(TRAINING_SEEDS)} training seeds of {STEPS} steps; test channels of seeds {TEST_SEEDS}; intervals: 95 %"
    )
    return 0 if good else 1


def _silent(what: str, done: int, total: int, detail: str = "") -> None:
    """Ignore progress."""


if __name__ == "__main__":
    sys.exit(main())
