"""The folder of a study: what was run is kept in `cache/` by digest, so that a study goes on where it was ended.

A part is finished once its facts are written, after its file: a process that is killed at any moment leaves complete
parts and nothing else that counts. `rows/` has the rows of the wanted cells, as links to those files.
"""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from airsplit.study.parts import PartOutcome, StudyCell, StudyTraining
from airsplit.study.plan import PlannedCell, StudyPlan
from emulator.core.files import atomic_write, require_new_files, sole_writer
from emulator.core.strict_json import json_text
from results.run.machine import Machine, machine_now
from results.study.cell_table import CELLS_FILE, CellTable, cell_table, write_cells
from results.study.rows import ROWS_FOLDER, rows_file
from topologies.loading.study import LoadedStudy

FAILED_FILE = "failed.csv"
ORIGIN_FILE = "origin.json"  # names the study file that the folder belongs to
PLACES = {StudyCell: ("cells", ".parquet"), StudyTraining: ("agents", ".safetensors")}


class StudyFolder:
    """The parts that are finished, in a folder that one process at a time writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def is_finished(self, part: StudyCell | StudyTraining) -> bool:
        """Return whether a part's outcome is kept."""
        return self._facts_file(part).is_file() and self.file_of(part).is_file()

    def keep(self, part: StudyCell | StudyTraining, outcome: PartOutcome) -> None:
        """Keep the outcome of a part that did not fail."""
        file = self.file_of(part)
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as partial:
            partial.write_bytes(outcome.content)
        with atomic_write(self._facts_file(part)) as partial:
            partial.write_text(json_text(outcome.facts), encoding="utf-8")

    def facts_of(self, part: StudyCell | StudyTraining) -> dict[str, Any]:
        """Return the facts of a finished part."""
        facts: dict[str, Any] = json.loads(self._facts_file(part).read_text(encoding="utf-8"))
        return facts

    def file_of(self, part: StudyCell | StudyTraining) -> Path:
        """Return the file of a part: the rows of a cell, the checkpoint of a training."""
        folder, suffix = PLACES[type(part)]
        return self.path / "cache" / folder / f"{part.digest}{suffix}"

    def write_table(self, plan: StudyPlan) -> CellTable | None:
        """Write cells.csv and the folder of rows from the finished cells of the plan, and return the table. Without any
        there are no such files, nor those of an earlier run."""
        finished = [each for each in plan.cells if self.is_finished(each.cell)]
        if not finished:
            (self.path / CELLS_FILE).unlink(missing_ok=True)
            self._link_rows(finished)
            return None
        rows = [{**each.identity, **self.facts_of(each.cell)} for each in finished]
        table = cell_table(pd.DataFrame(rows), plan.parameters)
        self._link_rows(finished)
        write_cells(self.path / CELLS_FILE, table)
        return table

    def write_failed(self, plan: StudyPlan, failures: Mapping[str, str]) -> None:
        """Write failed.csv: the cells that failed, by their digests, with the reasons. Without any there is no file."""
        path = self.path / FAILED_FILE
        rows = [
            each.identity | {"reason": failures[each.cell.digest]}
            for each in plan.cells
            if each.cell.digest in failures
        ]
        if not rows:
            path.unlink(missing_ok=True)
            return
        with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)

    def note_machine(self) -> tuple[Machine, ...]:
        """Add this machine to those on which the folder is written; return them all."""
        text = machine_now({"torch": 1, "blas": 1}).model_dump_json()
        path = self.path / "cache" / "machines" / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            partial.write_text(text, encoding="utf-8")
        return tuple(Machine.model_validate_json(each.read_bytes()) for each in sorted(path.parent.glob("*.json")))

    def _facts_file(self, part: StudyCell | StudyTraining) -> Path:
        return self.file_of(part).with_suffix(".json")

    def _link_rows(self, finished: Sequence[PlannedCell]) -> None:
        """Let the folder of rows hold those of the finished cells alone; files are shared with the cache."""
        wanted = {rows_file(each.variant, each.cell.label, each.cell.digest): each.cell for each in finished}
        for path in list((self.path / ROWS_FOLDER).rglob("*")):
            if path.is_file() and path.relative_to(self.path) not in wanted:
                path.unlink()
        for place, cell in wanted.items():
            path = self.path / place
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or not path.samefile(self.file_of(cell)):
                with atomic_write(path) as partial:
                    _link_or_copy(self.file_of(cell), partial)
        for folder in sorted((self.path / ROWS_FOLDER).glob("*/*/")) + sorted((self.path / ROWS_FOLDER).glob("*/")):
            if not any(folder.iterdir()):
                folder.rmdir()


@contextmanager
def study_folder(out: Path, loaded: LoadedStudy) -> Iterator[StudyFolder]:
    """Open the folder `out/<name>` of a study, or create it, until the block ends.

    Raises ValueError if the folder belongs to another study file that still exists, or another process writes it.
    """
    path = out / loaded.study.name
    path.mkdir(parents=True, exist_ok=True)
    require_new_files(path)
    with sole_writer(path):
        _require_own(path, loaded.file)
        with atomic_write(path / ORIGIN_FILE) as partial:
            partial.write_text(json_text({"file": str(loaded.file.absolute())}), encoding="utf-8")
        for file, copy in ((loaded.file, "study.yaml"), (loaded.scenario_file, "scenario.yaml")):
            with atomic_write(path / copy) as partial:
                shutil.copyfile(file, partial)
        yield StudyFolder(path)


def _require_own(path: Path, file: Path) -> None:
    """Raise ValueError if a folder holds files that are no study's, or those of another study file. A study file that
    is gone was moved or renamed: the folder's finished cells serve any file that wants them."""
    origin = path / ORIGIN_FILE
    if not origin.is_file():
        if any(path.iterdir()):
            raise ValueError(f"{path}: must be empty, or the folder of a study: name another folder with --out")
        return
    try:
        other = Path(json.loads(origin.read_text(encoding="utf-8"))["file"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{origin}: must be as airsplit wrote it ({error})") from error
    if other.exists() and not other.samefile(file):
        raise ValueError(f"{path}: is the folder of {other}: name another folder with --out, or another name in {file}")


def _link_or_copy(file: Path, place: Path) -> None:
    try:
        os.link(file, place)
    except OSError:  # a disk without links, or with a limit of their number
        shutil.copyfile(file, place)
