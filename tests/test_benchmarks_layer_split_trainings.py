"""Trainings on surrogates and on the table: kept, and compared on the table."""

from dataclasses import replace
from pathlib import Path

import pytest

from agents.layer_split.live import LiveLosses
from agents.layer_split.setting import MENDED, WIDE
from benchmarks.layer_split import trainings as module
from benchmarks.layer_split.agents import SETTINGS
from benchmarks.layer_split.trainings import FEW_STEPS, LIVE, Plan, Trainings

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


def test_trainings_of_other_settings_or_another_table_are_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(FEW, total_timesteps=384)
    for setting, settings in (
        (MENDED, few),
        (replace(MENDED, level_range=WIDE), few),
        (MENDED, replace(few, ent_coef=0.0)),
    ):
        Trainings(tmp_path, "scalars", setting).weights("table", settings, 1)
    assert len(names := {path.name for path in tmp_path.iterdir()}) == 3
    monkeypatch.setattr(module, "file_sha256", lambda path: "of another table")
    Trainings(tmp_path, "scalars", MENDED).weights("table", few, 1)
    assert len({path.name for path in tmp_path.iterdir()} - names) == 1


def test_losses_of_other_actions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "live_subject", lambda *arguments, **named: None)
    monkeypatch.setattr(LiveLosses, "_loss", lambda self, level, split, rng: level * split)
    few = replace(FEW_STEPS, total_timesteps=100)
    trainings = Trainings(tmp_path, "scalars", MENDED)
    trainings.weights(LIVE, few, 1)
    (losses,) = tmp_path.glob("*.losses")
    (weights,) = tmp_path.glob("*.npz")
    lines = losses.read_text().splitlines(keepends=True)

    weights.unlink()
    losses.write_text("".join(lines[:50]))  # an interrupted training
    trainings.weights(LIVE, few, 1)
    assert losses.read_text().splitlines(keepends=True) == lines

    level, split, loss = lines[2].split()
    for wrong, message in (
        (f"{level} {int(split) + 1} {loss}\n", f"measurement 3 is of level {level} at split {int(split) + 1}, but"),
        (f"{loss}\n", f"'{loss}' must be a level, a split and a loss"),
    ):
        weights.unlink(missing_ok=True)
        losses.write_text("".join([*lines[:2], wrong, *lines[3:]]))
        with pytest.raises(ValueError) as refused:
            trainings.weights(LIVE, few, 1)
        assert str(refused.value).startswith(f"{losses}: {message}")
        assert str(refused.value).endswith(": remove the file") and "\n" not in str(refused.value)
