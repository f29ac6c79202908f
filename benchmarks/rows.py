"""Run benchmarks one after another and print each measured row, a JSON object a line, as soon as it is known.

A benchmark that fails leaves a row with its name and the error, and the others still run.
"""

import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from emulator.core.processes import end_with_parent
from emulator.core.strict_json import json_text

Row = dict[str, str | float]
Benchmark = Callable[[], Iterable[Row]]
Value = TypeVar("Value")

FAILED, WRONG_USAGE = 1, 2  # exit codes
KIB = 1_024


def row(name: str, value: float, unit: str, peer: str, peer_value: float, ratio: float | None = None) -> Row:
    """A measured value beside the value of a peer in the same run.

    The ratio is value / peer_value, or 0 where the peer's value is 0, unless it was measured otherwise.
    """
    if ratio is None:
        ratio = value / peer_value if peer_value else 0.0
    return {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "peer": peer,
        "peer_value": round(peer_value, 4),
        "ratio": round(ratio, 4),
    }


def run_benchmarks(
    benchmarks: Mapping[str, Benchmark], only: Sequence[str] = (), extra: Mapping[str, str | float] | None = None
) -> int:
    """Print the rows of the benchmarks that `only` selects (all, if empty), each with the columns of `extra`.

    A word selects the benchmarks of that name and those whose names continue it after an underscore: `sim` selects
    `sim_n10`. Return the exit code: 1 if a benchmark failed, 2 if a word selects none.
    """
    for word in only:
        if not any(is_selected(name, (word,)) for name in benchmarks):
            print(f"{word}: no such benchmark; there are {', '.join(benchmarks)}", file=sys.stderr)
            return WRONG_USAGE
    failed = False
    for name, measure in benchmarks.items():
        if only and not is_selected(name, only):
            continue
        try:
            for each in measure():
                print_row(each | dict(extra or {}))
        except (Exception, SystemExit) as error:  # whatever it is, the other benchmarks are still worth running
            traceback.print_exc()
            print_row({"name": name, "error": f"{type(error).__name__}: {error}"})
            failed = True
    return FAILED if failed else 0


def is_selected(name: str, only: Sequence[str]) -> bool:
    """Return whether one of the words is the name, or its beginning up to an underscore."""
    return any(name == word or name.startswith(f"{word}_") for word in only)


def print_row(each: Row) -> None:
    """Print a row as one line of JSON, at once."""
    print(json_text(each), flush=True)


@contextmanager
def interruptible_children() -> Iterator[None]:
    """Give child processes that are started inside the default disposition of SIGINT. For the main thread.

    A shell without job control starts background jobs with SIGINT ignored, and their children inherit that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # exec resets handlers, but keeps SIG_IGN
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def call_in_process(function: Callable[..., Value], *arguments: object) -> Value:
    """Call a function in a new process of its own and return its result."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), end_with_parent) as pool:
        return pool.submit(function, *arguments).result()


def peak_memory_mib() -> float:
    """Return the peak resident memory of this process."""
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / KIB  # not `ru_maxrss`: that includes the parent's peak
