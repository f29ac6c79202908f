"""Runs and trainings are logged in MLflow and for TensorBoard, and read back; a tracker that fails loses nothing."""

import json
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

import airsplit
from airsplit.cli import app
from airsplit.tracking import trackers
from airsplit.tracking.mlflow_log import DEFAULTS, log_to_mlflow
from airsplit.tracking.tracked import Tracked, TrackedValue, settings_of
from tests.agents.learning.event_files import scalars_in
from tests.extras import module_of_extra
from tests.study.small import write_study
from tests.topologies.loading.bad_scenarios import GOOD

TRAINING = {"traces": 1, "duration_s": 4, "steps": 4_096}
PPO = {"type": "ppo", "label": "agent"}


@pytest.fixture(autouse=True)
def _few_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what MLflow's defaults change in the environment."""
    for name, value in DEFAULTS.items():
        monkeypatch.setenv(name, "0" if name.endswith("RETRIES") else value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    data = yaml.safe_load(GOOD.partition("hil:")[0].replace("8e3", "8000"))
    data |= {"training": TRAINING, "policies": [{"type": "random"}, PPO]}
    (tmp_path / "lab.yaml").write_text(yaml.safe_dump(data))
    return tmp_path / "lab.yaml"


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def logged(uri: str, experiment: str) -> tuple[Any, Any]:
    """Return a client and the only run of an experiment."""
    client = module_of_extra("mlflow.tracking", "tracking").MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return client, run


def test_a_run_is_read_back_from_both_trackers(file: Path, tmp_path: Path) -> None:
    module_of_extra("mlflow", "tracking")
    uri, board = (tmp_path / "store").as_uri(), tmp_path / "board"
    words = ("--out", tmp_path / "runs", "--mlflow", uri, "--tensorboard", board, "--quiet", "--json", "--no-bound")
    done = call("run", file, *words)
    assert done.exit_code == 0, done.output
    folder = Path(json.loads(done.stdout)["report"]).parent
    client, run = logged(uri, "good")
    assert run.info.run_name == folder.name
    assert run.info.status == "FINISHED"
    assert run.data.params["tasks.1.tokens.output_max"] == "40"
    assert run.data.params.keys() == settings_of(folder / "scenario.yaml").keys()
    assert run.data.tags["records_sha256"] == airsplit.open_run(folder).manifest.records_sha256
    summary = pd.read_csv(folder / "summary.csv").set_index("policy")
    for label in ("random", "agent"):
        assert run.data.metrics[f"{label}/cost_mean_s"] == pytest.approx(summary.loc[label, "cost_mean_s"], rel=1e-9)
    assert "random/gap" not in run.data.metrics
    curve = pd.read_csv(folder / "learning.csv")
    points = client.get_metric_history(run.info.run_id, "learning/agent/entropy")
    assert [each.step for each in points] == list(curve["step"])
    assert [each.value for each in points] == pytest.approx(list(curve["entropy"]))
    files = {each.path for each in client.list_artifacts(run.info.run_id)}
    assert files == {"scenario.yaml", "manifest.json", "summary.csv", "learning.csv", "report.html", "figures"}
    figures = {each.path for each in client.list_artifacts(run.info.run_id, "figures")}
    assert figures == {f"figures/{path.name}" for path in (folder / "figures").iterdir()}

    scalars = scalars_in(board / folder.name)
    assert [step for step, _ in scalars["learning/agent/entropy"]] == list(curve["step"])
    ((step, value),) = scalars["agent/cost_mean_s"]
    assert step == 0
    assert value == pytest.approx(summary.loc["agent", "cost_mean_s"], rel=1e-6)
    assert {f"figures/{path.stem}" for path in (folder / "figures").glob("*.png")} <= scalars.keys()


def test_a_study_is_logged_with_its_tables(tmp_path: Path) -> None:
    module_of_extra("mlflow", "tracking")
    file = write_study(tmp_path, policies=["random", "pool1"], seeds={"channel": 2})
    uri = (tmp_path / "store").as_uri()
    words = ("--processes", "1", "--out", tmp_path / "studies", "--mlflow", uri, "--tensorboard", tmp_path / "board")
    done = call("study", file, *words, "--quiet", "--json")
    assert done.exit_code == 0, done.output
    folder = Path(json.loads(done.stdout)["study"])
    client, run = logged(uri, "small")
    table = pd.read_csv(folder / "tables" / "means.csv")
    rows = table[table["value"].notna()].to_dict("records")
    assert {row["policy"] for row in rows} == {"random", "pool1"}
    for row in rows:
        name = f"delay_{row['delay']}/{row['policy']}/{row['metric']}"
        assert run.data.metrics[name] == pytest.approx(row["value"], rel=1e-8)
    assert run.data.params["study.grid.delay.path"] == "links[1].delay_ms"
    assert run.data.params["scenario.seed"] == "1"
    files = {each.path for each in client.list_artifacts(run.info.run_id)}
    assert files == {"study.yaml", "scenario.yaml", "study.json", "cells.csv", "tables", "figures"}
    scalars = scalars_in(tmp_path / "board" / run.info.run_name)
    assert {name for name in scalars if name.startswith("delay")} == run.data.metrics.keys()


def test_a_server_that_is_not_there_loses_nothing(file: Path, tmp_path: Path) -> None:
    module_of_extra("mlflow", "tracking")
    words = ("--set", "policies=[{type: random}]", "--out", tmp_path / "runs", "--quiet", "--no-bound", "--no-figures")
    done = call("run", file, *words, "--mlflow", "http://127.0.0.1:9")
    assert done.exit_code == 6
    (folder,) = (tmp_path / "runs" / "good").iterdir()
    assert (folder / "report.html").is_file()
    (line,) = (line for line in done.stderr.splitlines() if "not logged" in line)
    assert line.startswith(f"{folder}: not logged to http://127.0.0.1:9 (")
    assert f"`airsplit report {folder} --mlflow http://127.0.0.1:9` logs them" in line
    assert "random" in done.stdout
    uri = (tmp_path / "store").as_uri()
    again = call("report", folder, "--mlflow", uri)
    assert again.exit_code == 0, again.output
    assert logged(uri, "good")[1].data.metrics["random/tasks"] > 0


def test_a_training_is_logged_with_its_checkpoint(file: Path, tmp_path: Path) -> None:
    module_of_extra("mlflow", "tracking")
    uri, out = (tmp_path / "store").as_uri(), tmp_path / "agent.safetensors"
    words = ("--agent", "ppo", "--out", out, "--mlflow", uri, "--tensorboard", tmp_path / "board", "--quiet")
    done = call("train", file, *words)
    assert done.exit_code == 0, done.output
    client, run = logged(uri, "good")
    assert run.data.params["agent"] == "ppo"
    assert run.data.params["total_timesteps"] == "4096"
    assert [each.step for each in client.get_metric_history(run.info.run_id, "kl")] == [2_048, 4_096]
    assert [each.path for each in client.list_artifacts(run.info.run_id)] == ["agent.safetensors"]
    scalars = scalars_in(tmp_path / "board" / "agent")
    assert run.data.metrics.keys() == scalars.keys()
    assert [step for step, _ in scalars["kl"]] == [2_048, 4_096]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within SQLAlchemy, of what MLflow asks for
def test_stores_in_sqlite_and_names_that_mlflow_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module_of_extra("mlflow", "tracking")
    module_of_extra("alembic", "tracking")
    monkeypatch.chdir(tmp_path)  # MLflow keeps files of such a store in the working folder
    metrics = [TrackedValue("exact@hosts/cost", value, step) for step, value in enumerate((1.0, float("nan"), 3.0))]
    settings = {f"key {number}[0]": "x" * 10_000 for number in range(250)}
    tracked = Tracked("lab", "one", settings, metrics, {"": [Path(__file__)]}, {})
    uri = f"sqlite:///{tmp_path}/log.db"
    for _ in range(2):
        log_to_mlflow(uri, tracked)
    client = module_of_extra("mlflow.tracking", "tracking").MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("lab").experiment_id])
    assert len(runs) == 2
    assert len(runs[0].data.params) == 250
    history = client.get_metric_history(runs[0].info.run_id, "exact_hosts/cost")
    assert [each.value for each in history] == [each.value for each in metrics if isfinite(each.value)]


@pytest.mark.parametrize(("option", "package"), [("--mlflow", "mlflow"), ("--tensorboard", "tensorboardX")])
def test_a_missing_package_is_said_before_the_run(
    option: str, package: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    done = call("run", file, "--out", tmp_path / "runs", option, "somewhere")
    assert str(done.exception) == f"{package}: must be installed: pip install 'airsplit[tracking]'"
    assert not (tmp_path / "runs").exists()
