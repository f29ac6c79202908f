"""Fitted models on the command line, and the table of fits."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from airsplit.cli import app
from benchmarks import fits
from emulator.core.units import NS_PER_S
from emulator.trace import Trace


def call(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "walk"
    rates = 30 + 25 * np.sin(np.arange(120) / 9) + 5 * np.cos(np.arange(120) ** 2)
    path.write_text("\n".join(f"{second}\t{max(rate, 0):.3f}" for second, rate in enumerate(rates)))
    return path


def test_model_is_fitted_to_a_recording_and_drawn_from(recording: Path, tmp_path: Path) -> None:
    model, figure, drawn = (tmp_path / name for name in ("model.json", "fit.pdf", "drawn.parquet"))
    options = ("--format", "rate", "--out", model, "--figure", figure)
    facts = json.loads(call("trace", "fit", recording, *options, "--json"))
    assert facts["path"] == str(model)
    assert facts["span_ns"] == 120 * NS_PER_S
    assert figure.read_bytes().startswith(b"%PDF")
    made = json.loads(call("trace", "draw", model, "--out", drawn, "--seed", "7", "--json"))
    trace = Trace.load(drawn)
    assert made == {"path": str(drawn), "sha256": trace.sha256}
    assert trace.period_ns == facts["horizon_ns"] == 30 * NS_PER_S
    assert trace.metadata["notes"] == []


def test_a_draw_beyond_the_horizon_says_so_on_standard_error(recording: Path, tmp_path: Path) -> None:
    model, drawn = tmp_path / "model.json", tmp_path / "drawn.parquet"
    facts = json.loads(call("trace", "fit", recording, "--format", "rate", "--out", model, "--json"))
    done = CliRunner().invoke(app, ["trace", "draw", str(model), "--out", str(drawn), "--duration", "2min"])
    assert done.exit_code == 0
    assert f"{drawn}: drawn for 120 s, but the recording of 120 s shows only how means over up to 30 s" in done.stderr
    trace = Trace.load(drawn)
    assert trace.metadata["notes"][0] in done.stderr
    assert trace.mean_rate_bps == facts["mean_rate_bps"]


def test_model_can_be_fitted_to_the_first_part_of_a_trace(recording: Path, tmp_path: Path) -> None:
    trace, model = tmp_path / "t.parquet", tmp_path / "model.json"
    call("trace", "import", recording, "--format", "rate", "--out", trace)
    printed = call("trace", "fit", trace, "--out", model, "--until", "60s", "--sample", "2s")
    assert f"span_ns: {60 * NS_PER_S}" in printed.splitlines()
    assert json.loads(model.read_text())["learned_from"][0][1:] == [0, 60 * NS_PER_S]
    before = model.read_bytes()
    for until in ("121s", "500ms"):
        done = CliRunner().invoke(app, ["trace", "fit", str(trace), "--out", str(model), "--until", until])
        assert "s: must be at least a slot, 1 s, and at most all of it, 120 s" in str(done.exception)
    assert model.read_bytes() == before


def test_draw_with_a_bad_ending_or_entity_is_refused(recording: Path, tmp_path: Path) -> None:
    call("trace", "fit", recording, "--format", "rate", "--out", tmp_path / "model.json")
    before = sorted(tmp_path.iterdir())
    for name, entity, message in (
        ("drawn.json", "ue1", f"{tmp_path / 'drawn.json'}: ending must be .parquet"),
        ("drawn.parquet", "", "entity='': must name whose channel it is"),
    ):
        arguments = ("trace", "draw", tmp_path / "model.json", "--out", tmp_path / name, "--entity", entity)
        done = CliRunner().invoke(app, list(map(str, arguments)))
        assert str(done.exception) == message
    assert sorted(tmp_path.iterdir()) == before


def test_useless_options_of_a_fit_are_refused_before_the_work(recording: Path, tmp_path: Path) -> None:
    for more, message in (
        (("--columns", "run=1"), f"{recording}: columns: must not be given for a trace"),
        (("--figure", "fit.jpg"), "fit.jpg: ending must be one of .pdf, .png, .svg"),
    ):
        arguments = ("trace", "fit", recording, "--out", tmp_path / "m.json", *more)
        done = CliRunner().invoke(app, list(map(str, arguments)))
        assert str(done.exception) == message
    assert [path.name for path in tmp_path.iterdir()] == [recording.name]


def test_table_of_fits(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "damaged.csv").write_text("nothing\n")
    (tmp_path / "runs.list").write_text("Run 1\n" + ",".join(str(1 + at % 7) for at in range(80)) + "\nRun 2\n1,2\n")
    monkeypatch.setattr(sys, "argv", ["fits", str(tmp_path)])
    fits.main()
    printed = capsys.readouterr()
    rows = [line.split()[0] for line in printed.out.splitlines()[2:4]]
    assert rows == ["runs.list", "walk"]
    assert "damaged.csv" in printed.err
    assert "runs.list 2.1: samples=1" in printed.err
    monkeypatch.setattr(sys, "argv", ["fits", str(tmp_path), "--json"])
    fits.main()
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found["recordings"]] == ["runs.list 1.1", "walk"]
    for each in found["recordings"]:
        assert max(each["ks_draws"]) <= each["ks_halves"] + 0.05
        for kind in ("spells_s", "spreads"):
            np.testing.assert_allclose(each[f"draws_{kind}"], each[f"first_{kind}"], rtol=0.5)


def test_time_is_near_within_a_quarter_of_its_reference() -> None:
    assert fits.near([1.24, 1.26, 0.76, 0.74], 1.0).tolist() == [1, 0, 1, 0]


def test_length_is_within_a_factor_of_its_reference() -> None:
    assert fits.within_factor([1.49, 1.51, 0.67, 0.66], [1.0] * 4).tolist() == [True, False, True, False]
