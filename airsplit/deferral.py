"""Defer signals until the records of a run are safe on disk."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class SignalDeferral:
    """Defers SIGINT and SIGTERM from `begin` to `end`; `end` then handles the first one that arrived.

    Signals act in the main thread alone, so that in other threads nothing needs to wait. Use it with `with`: the former
    handlers are restored in any case.
    """

    def __init__(self) -> None:
        self._former: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}
        self._came: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def begin(self) -> None:
        """Defer signals from now on."""
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._note) for number in SIGNALS}

    def end(self) -> None:
        """Handle signals again. Raises what the handler of a deferred signal raises, such as KeyboardInterrupt."""
        self._restore()
        for number in self._came[:1]:
            signal.raise_signal(number)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._came.append(number)

    def _restore(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}
