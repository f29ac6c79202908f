"""Finish a run whose records are complete: bound, summary, figures and report. A failure here never loses the run."""

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emulator.core.errors import UnfinishedRun
from emulator.core.files import file_sha256
from results.bound_check import SystemBound, check_bound
from results.progress import RunProgress
from results.run.folder import Run
from results.run.manifest import BOUND_FILE, LeftOut, write_manifest
from results.run.tables import write_bound

Makers = Mapping[str, Callable[[Run], Any]]


def result_makers(left_out: Collection[LeftOut] = ()) -> Makers:
    """Return what makes the results of a run from its records, in order, by name. Call it before the work starts: it
    raises ImportError if a package that the results need is missing."""
    from results.report import write_report
    from results.statistics import summarise

    makers: dict[str, Callable[[Run], Any]] = {"summary": summarise}
    if "figures" not in left_out:
        from results.figures.draw import draw_figures

        makers["figures"] = draw_figures
    return makers | {"report": write_report}


def finish_run(run: Run, bounds: Callable[[], SystemBound], makers: Makers, progress: RunProgress) -> Run:
    """Write all results of a run whose folder has a manifest; return the run with its bound in the manifest.

    `bounds` computes the bound if the manifest does not have it and the run does not leave it out; the records
    are checked against it. Raises UnfinishedRun whatever fails or interrupts it: records and manifest stay.
    """
    with keep_run(run.path, "bound"):
        if "bound" not in run.manifest.facts.left_out and BOUND_FILE not in run.manifest.data_sha256:
            run = _with_bound(run, bounds())
    name = " and ".join(each for each in ("figures", "report") if each in makers)
    for done, (what, make) in enumerate(makers.items()):
        with keep_run(run.path, what):
            progress(name, done, len(makers))
            make(run)
            progress(name, done + 1, len(makers))
    return run


@contextmanager
def keep_run(folder: Path, what: str) -> Iterator[None]:
    """Raise UnfinishedRun for any error and any interruption inside, where `what` is made."""
    try:
        yield
    except BaseException as error:
        raise UnfinishedRun(
            f"{folder}: {what} not made ({_reason(error)}); the records are complete, and "
            f"`airsplit report {shlex.quote(str(folder))}` makes what is missing"
        ) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "interrupted"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _with_bound(run: Run, bound: SystemBound) -> Run:
    """Write the bound, check the records against it, and write the manifest with its digest and the checks."""
    write_bound(run.path / BOUND_FILE, bound.table)
    data_sha256 = {**run.manifest.data_sha256, BOUND_FILE: file_sha256(run.path / BOUND_FILE)}
    checks = (*run.manifest.checks, *check_bound(run, bound.candidates))
    valid = all(check.passed for check in checks)
    manifest = run.manifest.model_copy(update={"data_sha256": data_sha256, "checks": checks, "valid": valid})
    write_manifest(run.path, manifest)
    return Run(run.path, manifest)
