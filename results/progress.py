"""Show the progress of a run, step by step, on standard error."""

import sys
import time
from collections.abc import Iterable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class RunProgress:
    """A progress bar for each step of a run on a terminal; elsewhere a line when a step is done."""

    def __init__(self, quiet: bool) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=quiet or not sys.stderr.isatty(),
        )
        self._lines = not quiet and not sys.stderr.isatty()
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Show the bars."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def notes(self, texts: Iterable[str]) -> None:
        """Print a line for each text."""
        for text in texts:
            self.note(text)

    def note(self, text: str) -> None:
        """Print a line, above the bars on a terminal."""
        if self._lines:
            print(text, file=sys.stderr)
        elif not self._bars.disable:
            self._bars.console.print(text, markup=False, highlight=False)

    def __call__(self, step: str, done: int, total: int) -> None:
        """Report that `done` of `total` parts of a step are done; the first call starts the step."""
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step, total=total)
            self._began[step] = time.monotonic()
        self._bars.update(self._tasks[step], completed=done, total=total)
        if done >= total and self._lines:
            print(f"{step}: {time.monotonic() - self._began[step]:.1f} s", file=sys.stderr)
