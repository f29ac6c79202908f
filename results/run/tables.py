"""The small tables of a run beside its records: bounds, learning curves and energy of devices."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emulator.core.files import atomic_write
from results.run.reading import readable

if TYPE_CHECKING:
    from emulator.policy import Totals

BOUND = pa.schema(
    [("source", pa.string()), ("kind", pa.string()), ("task", pa.int64()), ("bound_s", pa.float64())]
)  # of bound.parquet, one row per offered task
CHOICES_FILE = "fixed_choices.csv"
CHOICES: dict[str, Any] = {
    "kind": str,
    "placement": str,
    "codec": str,
    "delay_ms": "float64",
    "quality_loss": "float64",
    "cost_s": "float64",
}
LEARNING: dict[str, Any] = {"agent": str, "seed": "int64", "step": "int64", "episode_return": "float64"}
DIAGNOSTICS = (
    "entropy",
    "value_loss",
    "explained_variance",
    "approx_kl",
    "clipfrac",
    "validation_return",
)  # may be absent or empty
TASK_KEY = ["source", "kind", "task"]


def write_bound(path: Path, bounds: pa.Table) -> None:
    """Write the columns of BOUND; the table may have more."""
    with atomic_write(path) as partial:
        pq.write_table(bounds.select(BOUND.names).cast(BOUND), partial)


def read_bound(path: Path) -> pd.Series | None:
    """Read the bounds by (source, kind, task); None if the run has none."""
    if not path.is_file():
        return None
    with readable(path):
        frame: pd.DataFrame = pq.read_table(path, schema=BOUND).to_pandas()
    return frame.set_index(TASK_KEY)["bound_s"]


def write_choices(path: Path, choices: pa.Table) -> None:
    """Write the columns of CHOICES, a row for each kind of task and each choice that can be made for all its tasks."""
    with atomic_write(path) as partial:
        choices.select(list(CHOICES)).to_pandas().to_csv(partial, index=False, float_format="%.9g")


def read_choices(path: Path) -> pd.DataFrame | None:
    """Read what every fixed choice costs; None if the run does not say."""
    if not path.is_file():
        return None
    with readable(path):
        choices = pd.read_csv(path, dtype=CHOICES, keep_default_na=False)
        require_columns(choices, CHOICES)
    return choices


def write_learning(path: Path, curves: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Write learning curves by the agent's label; a point has `seed`, `step`, `episode_return` and DIAGNOSTICS."""
    points = [{**point, "agent": label} for label, curve in curves.items() for point in curve]
    with atomic_write(path) as partial:
        pd.DataFrame(points, columns=None if points else [*LEARNING, *DIAGNOSTICS]).to_csv(partial, index=False)


def read_learning(path: Path) -> pd.DataFrame | None:
    """Read the points of the learning curves; None if the run has none."""
    if not path.is_file():
        return None
    with readable(path):
        points = pd.read_csv(path, dtype=LEARNING | dict.fromkeys(DIAGNOSTICS, "float64"))
        require_columns(points, LEARNING)
    return points


def require_columns(table: pd.DataFrame, columns: Iterable[str]) -> None:
    """Raise ValueError unless the table has all these columns."""
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"columns must include {', '.join(missing)}")


def write_device_energy(path: Path, totals: Mapping[str, "Totals"]) -> None:
    """Write the energy of each device over each policy's run, a row per policy and node: `compute_j` is that of the
    computer, idle time included, `radio_j` that of sending and receiving tasks' messages, `energy_j` their sum."""
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("policy", "node", "elapsed_s", "energy_j", "compute_j", "radio_j"))
        for label, each in totals.items():
            for node, compute_j in each.device_energy_j.items():
                radio_j = each.device_radio_j[node]
                numbers = (each.elapsed_ns * 1e-9, compute_j + radio_j, compute_j, radio_j)
                table.writerow((label, node, *(f"{number:.9g}" for number in numbers)))
