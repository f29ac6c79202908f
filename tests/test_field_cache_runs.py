"""A second run of a scenario takes channels and agents from the first, and records the same."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

import airsplit
from agents import training
from agents.split_inference.episodes import EpisodeSettings
from airsplit.preparation import _note_on_training
from airsplit.rerun import repeat_run
from results.progress import RunProgress
from results.run.manifest import LeftOut
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.loading.loader import load

QUICKSTART = Path(__file__).parents[1] / "topologies" / "quickstart.yaml"
CHANGES: dict[str, Any] = {
    "duration_s": 1,
    "hil": None,
    "realtime": {"policy": None},
    "policies": [{"type": "exact"}, {"type": "ppo"}],
    "training": {"steps": 64, "traces": 1, "duration_s": 1},
}


def test_field_run_says_first_how_long_training_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """150 000 steps of three agents; the line of the quickstart."""
    scenario = load(QUICKSTART)
    assert _note_on_training(scenario) == "training ppo, a2c, a3c: about 21 s, unless an earlier run did so"
    running = load(QUICKSTART, ["training.environment=offload"])
    assert _note_on_training(running) == "training ppo, a2c, a3c: about 55 s, unless an earlier run did so"
    assert _note_on_training(load(QUICKSTART, ["policies=[{type: exact}]", "hil=null"])) == ""
    RunProgress(quiet=True).note("a line")
    assert capsys.readouterr().err == ""
    RunProgress(quiet=False).note("a line")
    assert capsys.readouterr().err == "a line\n"


def test_field_records_are_the_same_with_and_without_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRSPLIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "good.yaml").write_text(GOOD)
    scenario = airsplit.load(tmp_path / "good.yaml", CHANGES)
    monkeypatch.setattr(training, "EpisodeSettings", partial(EpisodeSettings, 2, 2))  # 64 take seconds
    left_out: tuple[LeftOut, ...] = ("bound", "figures")
    alone = scenario.run(out=tmp_path, left_out=left_out, cache=False)
    assert not (tmp_path / "cache").exists()
    assert alone.manifest.command[-1] == "--no-cache"
    first, second = (scenario.run(out=tmp_path, left_out=left_out) for _ in range(2))
    for field in ("records_sha256", "trace_sha256", "checkpoint_sha256", "data_sha256", "facts", "checks"):
        assert getattr(alone.manifest, field) == getattr(first.manifest, field) == getattr(second.manifest, field)
    assert alone.manifest.reused == first.manifest.reused == {}
    assert {name.partition(",")[0] for name in second.manifest.reused} >= {"agent ppo", "channel of ue1 uplink"}
    assert repeat_run(second.path, RunProgress(quiet=True)).records_sha256 == alone.manifest.records_sha256
