"""What is logged of a finished run, study or training, the same for every tracker."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from agents.learning.training.supervision import TrainingPoint
from agents.learning.training.tensorboard import SCALARS, SPEED
from results.run.folder import Run
from results.run.tables import read_learning
from results.statistics import read_summary
from results.study.cell_table import CELLS_FILE, read_cells
from results.study.manifest import load_study_manifest
from results.study.metrics import with_metrics
from results.study.selection import known_metrics
from results.study.summary import means

PARTS = ("study", "scenario")  # of a study's settings
STUDY_FILES = ("study.yaml", "scenario.yaml", "study.json", CELLS_FILE, "failed.csv")
RUN_FILES = ("scenario.yaml", "manifest.json", "summary.csv", "learning.csv", "report.html")


class TrackedValue(NamedTuple):
    """A value, perhaps at a step of a training."""

    name: str
    value: float
    step: int = 0


class Tracked(NamedTuple):
    """Finished work. `experiment`: what it is compared within. `settings`: by their paths. `files`: by their folder
    in the log. `tags`: facts that are no settings."""

    experiment: str
    name: str
    settings: Mapping[str, str]
    metrics: Sequence[TrackedValue]
    files: Mapping[str, Sequence[Path]]
    tags: Mapping[str, str]


def tracked_run(run: Run) -> Tracked:
    """Return what is logged of a finished run: the resolved scenario, each policy's row of the summary, the learning
    curves of agents that it trained, and its report, figures, tables and manifest."""
    manifest = run.manifest
    curves = read_learning(run.path / "learning.csv")
    metrics = [*table_metrics(read_summary(run), "policy"), *([] if curves is None else curve_metrics(curves))]
    named = [run.path / name for name in RUN_FILES]
    files = {"": [path for path in named if path.is_file()], "figures": sorted((run.path / "figures").glob("*"))}
    tags = {"records_sha256": manifest.records_sha256, "valid": str(manifest.valid), "folder": str(run.path)}
    return Tracked(manifest.scenario, run.path.name, settings_of(run.path / "scenario.yaml"), metrics, files, tags)


def tracked_training(
    scenario: str, settings: Mapping[str, str], points: Sequence[TrainingPoint], checkpoint: Path, sha256: str
) -> Tracked:
    """Return what is logged of a training: its curve, by the names of `agents.learning.training.tensorboard`, and the
    checkpoint that it wrote."""
    metrics = [
        TrackedValue(name, float(point.values[key]), point.done)
        for point in points
        for name, key in SCALARS.items()
        if point.values.get(key) is not None
    ]
    metrics += [TrackedValue(SPEED, point.steps_per_s, point.done) for point in points]
    return Tracked(scenario, checkpoint.name, settings, metrics, {"": [checkpoint]}, {"sha256": sha256})


def tracked_study(folder: Path) -> Tracked:
    """Return what is logged of a study: its file and its scenario, the mean of each metric with its interval by
    setting and policy, and its tables and figures."""
    manifest, (cells, parameters) = load_study_manifest(folder), read_cells(folder / CELLS_FILE)
    known = with_metrics(cells)
    metrics = []
    for row in means(known, ["variant", *parameters], known_metrics(known)).to_dict("records"):
        setting = [row["variant"], *(f"{name}_{row[name]}".replace("/", "_") for name in parameters)]
        name = "/".join(part for part in (*setting, row["policy"], row["metric"]) if part)  # a variant may have no name
        metrics += [
            TrackedValue(name, row["value"]),
            TrackedValue(f"{name}/low", row["low"]),
            TrackedValue(f"{name}/high", row["high"]),
        ]
    named = [folder / name for name in STUDY_FILES]
    files = {"": [path for path in named if path.is_file()]}
    files |= {name: sorted((folder / name).glob("*")) for name in ("tables", "figures")}
    settings = {f"{part}.{key}": value for part in PARTS for key, value in settings_of(folder / f"{part}.yaml").items()}
    tags = {"study_sha256": manifest.study_sha256, "failed": str(manifest.failed), "folder": str(folder)}
    return Tracked(manifest.name, manifest.study_sha256[:12], settings, metrics, files, tags)


def table_metrics(table: pd.DataFrame, key: str) -> Iterator[TrackedValue]:
    """Yield a metric `KEY/COLUMN` for each number of a table, where KEY is the row's value of the column `key`."""
    numbers = table.select_dtypes("number")
    for row, label in enumerate(table[key]):
        yield from (TrackedValue(f"{label}/{column}", float(numbers[column].iloc[row])) for column in numbers)


def curve_metrics(curves: pd.DataFrame) -> Iterator[TrackedValue]:
    """Yield the points of learning curves, `learning/AGENT/COLUMN`, at their steps."""
    columns = [name for name in curves.select_dtypes("number") if name not in ("seed", "step")]
    for point in curves.to_dict("records"):
        for column in columns:
            yield TrackedValue(f"learning/{point['agent']}/{column}", float(point[column]), int(point["step"]))


def settings_of(file: Path) -> dict[str, str]:
    """Return the values of a YAML file by their paths, such as `nodes.0.name`; a list of plain values is one value."""
    return dict(_flat(yaml.safe_load(file.read_text(encoding="utf-8")), ()))


def _flat(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, (*path, str(key)))
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for number, inner in enumerate(value):
            yield from _flat(inner, (*path, str(number)))
    else:
        yield ".".join(path), str(value)
