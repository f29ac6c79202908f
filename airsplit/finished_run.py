"""A finished run for Python code: its records as tables, its manifest and its report."""

from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from results.run.folder import Run
    from results.run.manifest import Manifest


class FinishedRun:
    """A run's folder. Tables are read at their first use; summary and report are made then if a failure or interruption
    kept the run from making them."""

    def __init__(self, run: "Run") -> None:
        self._run = run

    def __repr__(self) -> str:
        return f"FinishedRun({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The folder."""
        return self._run.path

    @property
    def manifest(self) -> "Manifest":
        """Digests, seeds, versions, machine and checks. `valid` says whether all checks passed."""
        return self._run.manifest

    @cached_property
    def tasks(self) -> "pd.DataFrame":
        """One row for each task and policy. The unit is in the column's name: `sojourn_ns`, `energy_j`."""
        return read_records(self.path / "tasks.parquet")

    @cached_property
    def stages(self) -> "pd.DataFrame":
        """One row for each stage of a task: a partition with the message to it, and last the result."""
        return read_records(self.path / "stages.parquet")

    @cached_property
    def summary(self) -> "pd.DataFrame":
        """One row for each policy: delay, energy and cost with confidence intervals, and the gap to the bound."""
        from results.statistics import read_summary

        return read_summary(self._complete())

    def report(self) -> Path:
        """Return the path of the report, a single HTML file. Write the report if it is not there."""
        return self._complete().path / "report.html"

    def _complete(self) -> "Run":
        """Return the run after all its results are made that are not there."""
        if not all((self.path / name).is_file() for name in ("summary.csv", "report.html")):
            from airsplit.completion import finish_stored
            from results.progress import RunProgress

            self._run = finish_stored(self.path, RunProgress(quiet=True))
        return self._run


def open_run(folder: str | PathLike[str]) -> FinishedRun:
    """Open the folder of a finished run. Raises ValueError, one line, for any other folder."""
    import results.run.folder

    return FinishedRun(results.run.folder.open_run(Path(folder)))


def read_records(path: Path) -> "pd.DataFrame":
    """Read tasks.parquet or stages.parquet. Raises ValueError if the file is damaged."""
    import pandas as pd
    import pyarrow.parquet as pq

    from results.run.reading import readable

    with readable(path):
        frame: pd.DataFrame = pq.read_table(path).to_pandas()
    return frame
