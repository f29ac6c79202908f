"""Run a study: trainings and cells by an executor, then the table of cells, the manifest, and the results."""

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from airsplit.study.folder import StudyFolder, study_folder
from airsplit.study.parts import Executor, StudyCell, StudyJob, StudyTraining
from airsplit.study.plan import StudyPlan
from emulator.core.sources import sources_sha256, versions_now
from results.progress import RunProgress, time_left
from results.run.machine import git_state
from results.study.cell_table import CellTable
from results.study.manifest import MANIFEST_FILE, StudyManifest, write_study_manifest
from topologies.loading.study import LoadedStudy

TRAINING, CELLS = "training agents", "cells"  # steps of the progress


class FinishedStudy(NamedTuple):
    """A study all of whose cells have been run or have failed; without a single finished cell there is no table."""

    path: Path
    manifest: StudyManifest
    table: CellTable | None


class InterruptedStudy(KeyboardInterrupt):
    """The user ended a study. `path` is its folder, `done` of its `cells` are finished; `code` is the exit code."""

    def __init__(self, path: Path, done: int, cells: int, code: int) -> None:
        super().__init__(f"{path}: interrupted")
        self.path, self.done, self.cells, self.code = path, done, cells, code


def run_study(
    loaded: LoadedStudy,
    plan: StudyPlan,
    out: Path,
    executor: Executor,
    progress: RunProgress,
    command: tuple[str, ...],
    cached: bool = True,
) -> FinishedStudy:
    """Run all cells of a plan that the study's folder in `out` does not have yet, and write table and manifest.

    Parts that failed before are run again. `command` is the user's call, for the manifest; `cached`: whether channels
    and agents come from the user's cache or are kept there. Raises ValueError for a folder of another study, and
    InterruptedStudy if the user ends the study: the same call then goes on.
    """
    started = datetime.now(UTC)
    with study_folder(out, loaded) as folder, _interruptible(folder, plan), progress:
        (folder.path / MANIFEST_FILE).unlink(missing_ok=True)
        machines = folder.note_machine()
        failures = _Schedule(plan, folder, executor, progress, cached).run()
        folder.write_failed(plan, failures)
        is_done = [folder.is_finished(each.cell) for each in plan.cells]
        table = folder.write_table(plan)
        digest = hashlib.sha256("\n".join([] if table is None else table.cells["rows_sha256"]).encode()).hexdigest()
        scenario = loaded.settings[0].scenario
        manifest = StudyManifest(
            name=loaded.study.name,
            file=str(loaded.file),
            scenario=str(loaded.scenario_file),
            cells=len(plan.cells),
            failed=is_done.count(False),
            study_sha256=digest,
            seeds={
                name: tuple(dict.fromkeys(seed for each in plan.cells if (seed := getattr(each, name)) is not None))
                for name in ("channel_seed", "arrival_seed", "training_seed")
            },
            policies=dict(zip(scenario.labels, (each.type for each in scenario.policies), strict=True)),
            agents={
                key: folder.facts_of(each)["sha256"] for key, each in plan.trainings.items() if folder.is_finished(each)
            },
            command=command,
            started=started,
            finished=datetime.now(UTC),
            versions=versions_now(),
            git=git_state(),
            source_sha256=sources_sha256(),
            machines=machines,
        )
        write_study_manifest(folder.path, manifest)
    return FinishedStudy(folder.path, manifest, table)


@contextmanager
def _interruptible(folder: StudyFolder, plan: StudyPlan) -> Iterator[None]:
    """Raise InterruptedStudy in the place of KeyboardInterrupt (Ctrl-C) and SystemExit (SIGTERM)."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        done = sum(folder.is_finished(each.cell) for each in plan.cells)
        code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 130
        raise InterruptedStudy(folder.path, done, len(plan.cells), code) from None


class _Schedule:
    """The way of a plan through an executor: trainings first, each cell as soon as its agent is there."""

    def __init__(
        self, plan: StudyPlan, folder: StudyFolder, executor: Executor, progress: RunProgress, cached: bool
    ) -> None:
        self._folder, self._executor, self._progress, self._cached = folder, executor, progress, cached
        cells = {each.cell.digest: each.cell for each in plan.cells}
        self._cells = [each for each in cells.values() if not folder.is_finished(each)]
        needed = dict.fromkeys(each.training for each in self._cells if each.training)
        self._trainings = [plan.trainings[key] for key in needed if not folder.is_finished(plan.trainings[key])]
        self._waiting: dict[str, list[StudyCell]] = defaultdict(list)  # by the training whose agent they need
        self._plan = plan
        self._failures: dict[str, str] = {}
        self._totals = {TRAINING: len(self._trainings), CELLS: len(self._cells)}
        self._done: Counter[str] = Counter()
        self._first_s: dict[str, float] = {}  # when the first of a step was done: cells may wait for agents until then
        if len(self._cells) < len(cells):
            progress.note(f"{folder.path}: {len(cells) - len(self._cells)} of {len(cells)} cells are there already")

    def run(self) -> dict[str, str]:
        """Run all that is missing; return why cells failed, by their digests."""
        for training in self._trainings:
            self._executor.submit(StudyJob(training, cached=self._cached))
        untrained = {each.digest for each in self._trainings}
        for cell in self._cells:
            if cell.training in untrained:
                self._waiting[cell.training].append(cell)
            else:
                self._submit(cell)
        for step in self._totals:
            self._report(step)
        for (part, *_), outcome in self._executor.outcomes():
            if not outcome.failure:
                self._folder.keep(part, outcome)
            self._end(part, outcome.failure)
        return self._failures

    def _end(self, part: StudyCell | StudyTraining, failure: str) -> None:
        """Note that a part has ended. Cells that waited for it are run, or fail if it failed."""
        if failure and isinstance(part, StudyCell):
            self._failures[part.digest] = failure
        step = CELLS if isinstance(part, StudyCell) else TRAINING
        self._done[step] += 1
        self._report(step)
        for cell in self._waiting.pop(part.digest, ()):
            if failure:
                self._end(cell, f"{part.name}: {failure}")
            else:
                self._submit(cell)

    def _submit(self, cell: StudyCell) -> None:
        checkpoint = self._folder.file_of(self._plan.trainings[cell.training]).read_bytes() if cell.training else b""
        self._executor.submit(StudyJob(cell, checkpoint, self._cached))

    def _report(self, step: str) -> None:
        done, total = self._done[step], self._totals[step]
        failed = f"{len(self._failures)} failed" if step == CELLS and self._failures else ""
        if done:
            self._first_s.setdefault(step, time.monotonic())
        if total:
            left = time_left(time.monotonic() - self._first_s.get(step, 0.0), done - 1, total - 1)
            self._progress(step, done, total, ", ".join(filter(None, (failed, left))))
