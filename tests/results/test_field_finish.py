"""Whatever breaks after the records are complete, the run stays a run, and can be finished."""

import errno
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airsplit.deferral import SignalDeferral
from emulator.core.errors import UnfinishedRun
from emulator.core.files import atomic_write, naming, require_new_files, require_writable
from results.bound_check import SystemBound
from results.finish import Makers, finish_run, result_makers
from results.progress import RunProgress
from results.run.folder import Run, open_run, require_run_folders, verify
from results.run.manifest import write_manifest
from results.run.tables import BOUND
from tests.results.conftest import MakeRun, task_row

QUIET = RunProgress(quiet=True)
ERRORS = {
    "matplotlib": RuntimeError("latex could not be found\nTraceback ..."),
    "disk": OSError(errno.ENOSPC, "No space left on device", "/full/figures/gap.pdf"),
    "unnamed": OSError(errno.EIO, "Input/output error"),
    "interrupt": KeyboardInterrupt(),
    "termination": SystemExit(143),
    "memory": MemoryError(),
    "package": ModuleNotFoundError("No module named 'seaborn'"),
}


UNDISTURBED: Makers = dict.fromkeys(("summary", "figures", "report"), lambda run: run.path)


@pytest.fixture
def recorded(make_run: MakeRun) -> Run:
    """Return a run whose records and manifest are there, and nothing else."""
    rows = [
        task_row(policy, "ue1", "image", n, delay_ms=100.0 + n, arrival_s=n) for policy in ("exact", "random")
        for n in range(4)
    ]  # fmt: skip
    run = make_run(rows, None)
    write_manifest(run.path, run.manifest)
    return run


def bound() -> SystemBound:
    return SystemBound(pa.table([["ue1"] * 4, ["image"] * 4, range(4), [0.05] * 4], schema=BOUND), {})


def failing(error: BaseException) -> Callable[[Run], None]:
    def fail(_: Run) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("at", ["summary", "figures", "report"])
def test_failure_after_the_records_keeps_the_run(recorded: Run, at: str, error: BaseException) -> None:
    with pytest.raises(UnfinishedRun) as raised:
        finish_run(recorded, bound, {**UNDISTURBED, at: failing(error)}, QUIET)
    text = str(raised.value)
    assert text.startswith(f"{recorded.path}: {at} not made (") and "\n" not in text
    assert f"`airsplit report {recorded.path}`" in text
    verify(open_run(recorded.path))


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_failure_of_the_bound_keeps_the_run(recorded: Run, error: BaseException) -> None:
    def fail() -> SystemBound:
        raise error

    with pytest.raises(UnfinishedRun, match="bound not made"):
        finish_run(recorded, fail, result_makers(), QUIET)
    verify(open_run(recorded.path))
    # the bound was written when the power went, before the manifest was
    pq.write_table(bound().table, recorded.path / "bound.parquet")
    verify(open_run(recorded.path))


def test_finished_run_has_the_files_of_an_undisturbed_one(recorded: Run) -> None:
    whole = finish_run(recorded, bound, result_makers(), QUIET)
    before = {path: path.read_bytes() for path in sorted(recorded.path.rglob("*")) if path.is_file()}
    for path in before:
        if path.parent.name == "figures" or path.name in ("summary.csv", "report.html", "bound.parquet"):
            path.unlink()
    write_manifest(recorded.path, recorded.manifest)
    with pytest.raises(UnfinishedRun):
        finish_run(open_run(recorded.path), bound, {**result_makers(), "figures": failing(KeyboardInterrupt())}, QUIET)
    again = finish_run(open_run(recorded.path), bound, result_makers(), QUIET)
    assert again.manifest == whole.manifest == open_run(recorded.path).manifest
    assert {path: path.read_bytes() for path in before} == before


def test_left_out_figures_and_bound_are_not_missed(make_run: MakeRun) -> None:
    run = make_run([task_row("exact", "ue1", "image", 0, delay_ms=100)], None, facts={"left_out": ("bound", "figures")})
    write_manifest(run.path, run.manifest)
    finish_run(run, pytest.fail, result_makers(run.manifest.facts.left_out), QUIET)
    assert (run.path / "report.html").is_file() and not list((run.path / "figures").iterdir())
    assert not (run.path / "bound.parquet").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_waits_until_the_records_are_safe(number: signal.Signals) -> None:
    former = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    done = []

    def act(*_: object) -> None:
        done.append("acted")
        raise KeyboardInterrupt

    signal.signal(number, act)
    try:
        with SignalDeferral() as deferral:
            deferral.begin()
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("written")
            with pytest.raises(KeyboardInterrupt):
                deferral.end()
        assert done == ["written", "acted"] and signal.getsignal(number) is act
        with pytest.raises(ValueError, match="lost"), SignalDeferral() as deferral:
            deferral.begin()
            raise ValueError("lost")
        assert signal.getsignal(number) is act
    finally:
        for each, handler in zip((signal.SIGINT, signal.SIGTERM), former, strict=True):
            signal.signal(each, handler)


def test_signals_outside_the_main_thread_are_left_alone() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with SignalDeferral() as deferral:
                deferral.begin()
                deferral.end()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("named", [None, "/some/input", ".out.csv.partial"])
def test_full_disk_names_the_file_that_was_to_be_written(tmp_path: Path, code: int, named: str | None) -> None:
    path = tmp_path / "out.csv"
    filename = str(tmp_path / named) if named and named.startswith(".") else named
    with pytest.raises(OSError) as raised, atomic_write(path):
        raise OSError(code, "a library's text", filename) if filename else OSError(code, "a library's text")
    keeps_its_name = named == "/some/input" and code == errno.EIO
    assert raised.value.filename == (named if keeps_its_name else str(path))
    assert not list(tmp_path.iterdir())


@given(st.sampled_from(sorted(errno.errorcode)), st.none() | st.text(st.characters(codec="utf-8"), min_size=1))
def test_every_error_of_a_write_has_a_path(code: int, named: str | None) -> None:
    with pytest.raises(OSError) as raised, naming(Path("/out")):
        raise OSError(code, "text", named) if named else OSError(code, "text")
    assert raised.value.filename is not None and raised.value.errno == code


@pytest.mark.parametrize(
    "refuse",
    [
        lambda folder: require_run_folders(folder, "quickstart"),
        lambda folder: require_writable(folder / "x.pdf"),
        require_new_files,
    ],
)
def test_folder_that_takes_no_files_is_named_before_the_work(refuse: Callable[[Path], None]) -> None:
    with pytest.raises(OSError) as raised:
        refuse(Path("/proc"))
    assert str(raised.value.filename).startswith("/proc")


def test_folder_or_device_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/null")):
        for write in (require_writable, lambda place: partial(atomic_write, place)().__enter__()):
            with pytest.raises(ValueError, match="must be a file, not a folder or device"):
                write(path)
    assert Path("/dev/null").is_char_device()
