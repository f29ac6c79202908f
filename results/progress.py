"""Show the progress of a run, step by step, on standard error."""

import sys
import time
from collections.abc import Iterable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

LINE_S = 10.0  # between the lines of a step without a terminal


class RunProgress:
    """A progress bar for each step of a run on a terminal; elsewhere a line when a step is done."""

    def __init__(self, quiet: bool) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            console=Console(stderr=True),
            disable=quiet or not sys.stderr.isatty(),
        )
        self._lines = not quiet and not sys.stderr.isatty()
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}
        self._shown: dict[str, float] = {}  # when the last line was printed

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

    def __call__(self, step: str, done: int, total: int, detail: str = "") -> None:
        """Report that `done` of `total` parts of a step are done; the first call starts the step. Without a terminal, a
        step with details has a line every LINE_S seconds too."""
        now_s = time.monotonic()
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step, total=total, detail=detail)
            self._began[step] = self._shown[step] = now_s
        self._bars.update(self._tasks[step], completed=done, total=total, detail=detail)
        if not self._lines:
            return
        said = f", {detail}" if detail else ""
        if done >= total:
            print(f"{step}: {now_s - self._began[step]:.1f} s{said}", file=sys.stderr)
        elif detail and now_s - self._shown[step] >= LINE_S:
            print(f"{step}: {done} of {total}{said}", file=sys.stderr)
            self._shown[step] = now_s


def time_left(elapsed_s: float, done: int, total: int) -> str:
    """Return how long the rest will take if it goes on as before, as text; empty if nothing or everything is done."""
    if not 0 < done < total:
        return ""
    left_s = elapsed_s * (total - done) / done
    if left_s < 100:
        return f"about {left_s:.0f} s left"
    return f"about {left_s / 60:.0f} min left" if left_s < 6_000 else f"about {left_s / 3_600:.1f} h left"
