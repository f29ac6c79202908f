"""Which cells and policies the figures and tables of a study show, in which order, and under which names."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from results.figures.style import Look, looks, shown_policies
from results.study.cell_table import CellTable
from results.study.metrics import METRICS, mean_metric, with_metrics
from topologies.schema.study_figures import MetricName, StudyFigureSection, StudyFiguresSection

UNITS = {
    "mps": "m/s", "kmh": "km/h", "ms": "ms", "s": "s", "m": "m", "mbps": "Mbit/s", "bps": "bit/s", "hz": "Hz",
    "mhz": "MHz", "ghz": "GHz", "db": "dB", "dbm": "dBm", "j": "J", "w": "W", "gflops": "GFLOP/s", "mb": "MB",
    "kb": "kB", "gb": "GB", "hours": "h",
}  # fmt: skip


class ShownStudy(NamedTuple):
    """What is shown of a study. `cells`: those of the `policies`, which are in order; `parameters`: the columns of
    swept parameters; `reference`: the policy that others are compared with."""

    cells: pd.DataFrame
    parameters: tuple[str, ...]
    policies: list[str]
    reference: str
    look: dict[str, Look]
    wanted: StudyFiguresSection

    @property
    def settings(self) -> list[str]:
        """The columns that tell settings apart, at least `variant`."""
        varied = [name for name in ("variant", *self.parameters) if self.cells[name].nunique() > 1]
        return varied or ["variant"]

    def written(self, name: str) -> str:
        """Return how a policy, variant or parameter is written."""
        return self.wanted.labels.get(name, name)

    def axis(self, parameter: str) -> str:
        """Return the label of a swept parameter's axis, with the unit in which its name ends."""
        name, _, unit = parameter.rpartition("_")
        plain = f"{name.replace('_', ' ').capitalize()} ({UNITS[unit]})" if name and unit in UNITS else parameter
        return self.wanted.labels.get(parameter, plain)

    def setting(self, values: Iterable[object]) -> str:
        """Return a setting, the values of `settings`, in words: the variant's name, and parameters with their units."""
        parts = [self.value(name, value) for name, value in zip(self.settings, values, strict=True)]
        return ", ".join(part for part in parts if part)

    def value(self, name: str, value: object) -> str:
        """Return a variant's name, or a parameter's value with its unit, if the axis has one, or its name."""
        if name == "variant":
            return self.written(str(value))
        title, bracket, unit = self.axis(name).removesuffix(")").rpartition(" (")
        return f"{number_or_text(value)} {unit}" if bracket else f"{title or unit} {number_or_text(value)}"


def shown_study(table: CellTable, wanted: StudyFiguresSection) -> ShownStudy:
    """Return what is to be shown. Raises ValueError if a policy is unknown, or no cell has the metric."""
    if not len(table.cells):
        raise ValueError("no cell of the study is finished")
    cells = with_metrics(table.cells)
    if cells[wanted.metric].isna().all():
        others = ", ".join(known_metrics(cells))
        where = " with window_s" if wanted.window_s else ""
        raise ValueError(f"metric={wanted.metric}: no cell has one{where}; must be one of {others}")
    values = {policy: mean_metric(own, wanted.metric) for policy, own in cells.groupby("policy", sort=False)}
    order = pd.Series(values).sort_values(kind="stable")
    policies = shown_policies([str(name) for name in order.index], wanted)
    reference = wanted.reference or min(policies, key=list(order.index).index)
    if reference not in policies:
        raise ValueError(f"reference={reference}: must be one of {', '.join(policies)}")
    own = cells[cells["policy"].isin(policies)].reset_index(drop=True)
    return ShownStudy(own, table.parameters, policies, reference, looks(policies), wanted)


def narrowed(study: ShownStudy, section: StudyFigureSection) -> ShownStudy:
    """Return the study of the cells that a figure counts. Raises ValueError if a column or value is unknown, or no cell
    has the metric."""
    cells = study.cells
    for name, value in section.where.items():
        if name not in ("variant", *study.parameters):
            raise ValueError(f"where.{name}: must be variant or a swept parameter: {', '.join(study.parameters)}")
        known = list(cells[name].unique())
        cells = cells[cells[name] == value]
        if not len(cells):
            raise ValueError(f"where.{name}={value}: must be one of {', '.join(map(number_or_text, known))}")
    metric = section.metric or study.wanted.metric
    if cells[metric].isna().all():
        raise ValueError(f"metric={metric}: no cell has one")
    return study._replace(cells=cells)


def known_metrics(cells: pd.DataFrame) -> list[MetricName]:
    """Return the metrics that a cell has."""
    return [name for name in METRICS if cells[name].notna().any()]


def number_or_text(value: object) -> str:
    """Return a swept parameter's value as text."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def in_order(rows: pd.DataFrame, policies: Sequence[str]) -> pd.DataFrame:
    """Return the rows in the order of the policies; those of one policy stay in their order."""
    place = {policy: number for number, policy in enumerate(policies)}
    return rows.sort_values("policy", key=lambda names: names.map(place), kind="stable", ignore_index=True)
