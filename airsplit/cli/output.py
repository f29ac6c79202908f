"""How commands print results and errors."""

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from emulator.core.strict_json import json_text

if TYPE_CHECKING:
    from airsplit.tracking.trackers import Trackers
    from results.run.folder import Run


def fail(code: int, *messages: str) -> NoReturn:
    """Print the messages on standard error, each in one line, and exit."""
    for message in messages:
        print(" ".join(message.split()), file=sys.stderr)
    sys.exit(code)


def command_line() -> tuple[str, ...]:
    """Return the user's call as text; bytes of names that are not text in UTF-8 are escapes."""
    arguments = (each.encode("utf-8", "surrogateescape") for each in sys.argv[1:])
    return ("airsplit", *(each.decode("utf-8", "backslashreplace") for each in arguments))


def print_json(value: object) -> None:
    """Print a result as JSON, with null for numbers that do not exist."""
    print(json_text(value, indent=2))


def print_written(path: Path, sha256: str | None, as_json: bool) -> None:
    """Print the result of a command that writes one file."""
    facts = {"path": str(path)} | ({"sha256": sha256} if sha256 else {})
    print_json(facts) if as_json else print(*facts.values())


def print_facts(facts: Mapping[str, object], as_json: bool) -> None:
    """Print a result of a few numbers, one a line."""
    if as_json:
        print_json(facts)
    for name, value in () if as_json else facts.items():
        print(f"{name}: {value}")


def print_notes(path: Path, notes: Iterable[str]) -> None:
    """Print what a user should know about a file, one line each, on standard error."""
    for note in notes:
        print(f"{path}: {note}", file=sys.stderr)


def in_line(row: Mapping[str, object], spec: str) -> str:
    """Return a row of a result as one line; `spec` formats its floats."""
    return " ".join(f"{key}={format(value, spec) if isinstance(value, float) else value}" for key, value in row.items())


def print_rows(rows: Sequence[Mapping[str, object]]) -> None:
    """Print a result of one or several rows with the same keys as a table: text to the left, numbers to the right."""
    columns = [[key, *(str(row[key]) for row in rows)] for key in rows[0]]
    aligns = ["<" if isinstance(value, str) else ">" for value in rows[0].values()]
    widths = [max(map(len, column)) for column in columns]
    for cells in zip(*columns, strict=True):
        line = (f"{cell:{align}{width}}" for cell, align, width in zip(cells, aligns, widths, strict=True))
        print("  ".join(line).rstrip())


def track_run(run: "Run", trackers: "Trackers") -> list[str]:
    """Log a finished run. Print and return a line for each tracker that failed."""
    from airsplit.tracking.tracked import tracked_run

    named = [("--mlflow", trackers.mlflow), ("--tensorboard", trackers.tensorboard)]
    options = [word for option, where in named if where is not None for word in (option, str(where))]
    again = shlex.join(["airsplit", "report", str(run.path), *options])
    failures = trackers.log(lambda: tracked_run(run), again)
    print_notes(run.path, failures)
    return failures


def print_run(run: "Run", as_json: bool) -> None:
    """Print the table of a finished run, what it stands on if that was varied, and the path of its report. Exit with
    code 5 if the run's checks failed."""
    from results.run.manifest import SENSITIVITY_FILE
    from results.sensitivity import conclusion, read_sensitivity, reasons
    from results.statistics import read_summary
    from results.text import table_lines

    table = read_summary(run)
    report = run.path / "report.html"
    varied = read_sensitivity(run.path / SENSITIVITY_FILE)
    print_notes(run.path, [] if varied is None else reasons(varied))
    if as_json:
        more = {} if varied is None else {"sensitivity": varied.to_dict("records")}
        print_json({"run": str(run.path), "report": str(report), "summary": table.to_dict("records"), **more})
    else:
        print("\n".join(table_lines(table)))
        if varied is not None:
            print(conclusion(varied))
        print(f"report: {report}")
    if not run.manifest.valid:
        failed = [f"{each.name}: {each.subject}" for each in run.manifest.checks if not each.passed]
        fail(5, f"{run.path}: invalid, these checks failed (see the report): {'; '.join(failed)}")
