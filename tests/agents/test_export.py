"""An exported episode has the same sojourns in a run, to the nanosecond."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from agents.registry import make_policy
from agents.split_inference.episodes import Episodes, EpisodeSettings
from agents.split_inference.export import export_episode
from emulator.record import Records
from emulator.simulation import Simulation
from topologies.build import build, training_system
from topologies.loading.loader import load

QUICKSTART = Path(__file__).parents[2] / "topologies" / "quickstart.yaml"


@pytest.mark.parametrize(
    "overrides", [(), ("links[0].loss=0.1", "links[0].retransmission_ms=8")], ids=["as is", "loss"]
)
def test_replayed_episode_has_the_same_sojourns(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    scenario = load(QUICKSTART, ["tasks[0].cuts=[13]", "duration_s=16", "training.duration_s=16", *overrides])
    episodes = Episodes([training_system(scenario, QUICKSTART.parent, 0)], EpisodeSettings(4, 24, 2))
    rng = np.random.default_rng(3)
    for number in range(2):
        rows = episodes.rows(number)
        actions = [int(rng.choice(np.flatnonzero(rows.masks[step]))) for step in range(24)]
        decisions = [episodes.placement(number, step, action) for step, action in enumerate(actions)]
        out = tmp_path / f"episode{number}"
        path = export_episode(scenario, QUICKSTART.parent, episodes.episode(number), decisions, out)
        exported = load(path)
        system = build(exported, out)
        replay = make_policy("replay", {"file": str(out / "decisions.jsonl")}, system)
        with Records(out) as records:
            Simulation(system).run(replay, "replay", records)
        found = {(row["kind"], row["task"]): row for row in pq.read_table(out / "tasks.parquet").to_pylist()}
        tasks = episodes.episode(number).tasks[:24]
        assert len(found) == 24
        for step, (task, action) in enumerate(zip(tasks, actions, strict=True)):
            row = found[task.kind.name, task.number]
            assert row["arrival_ns"] == task.arrival_ns
            assert row["sojourn_ns"] == rows.sojourns_ns[step, action]
