"""What a run says of itself while it works: its phases, on standard error."""

import sys
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Phases:
    """A progress bar for each phase of a run; on a terminal only, and one line each elsewhere."""

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

    def __call__(self, phase: str, done: int, total: int) -> None:
        """`done` of `total` steps of a phase are done; the first call opens it."""
        if phase not in self._tasks:
            self._tasks[phase] = self._bars.add_task(phase, total=total)
            self._began[phase] = time.monotonic()
        self._bars.update(self._tasks[phase], completed=done, total=total)
        if done >= total and self._lines:
            print(f"{phase}: {time.monotonic() - self._began[phase]:.1f} s", file=sys.stderr)
