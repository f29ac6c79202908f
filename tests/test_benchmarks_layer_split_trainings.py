"""Trainings on surrogates and on the table: kept, and compared on the table."""

from dataclasses import replace
from pathlib import Path

from agents.layer_split.setting import MENDED, WIDE
from benchmarks.layer_split.agents import SETTINGS
from benchmarks.layer_split.trainings import Plan, Trainings

FEW = replace(SETTINGS, total_timesteps=6_000, num_envs=32, hidden=16)


def test_trainings_are_kept_and_compared_with_those_on_surrogates(tmp_path: Path) -> None:
    trainings = Trainings(tmp_path, "scalars", replace(MENDED, level_range=WIDE))
    planned = [Plan("nats", FEW, range(1, 3)), Plan("table", FEW, range(1, 3)), Plan("nats", FEW, range(1, 2))]
    found = list(trainings.comparison(planned[:2]))
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(times) == 4
    assert list(trainings.comparison(planned[:2])) == found
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times
    nats, table = found
    assert nats.same_split == {} and list(table.same_split) == ["nats 6000"]
    assert 0 < table.same_split["nats 6000"] < 1
    assert table.model_runs == 0 and table.low <= table.gap_percent <= table.high
    one_seed = list(trainings.comparison(planned))[-1]
    assert one_seed.same_split == {"nats 6000": 1.0}  # with the policy of the same seed
