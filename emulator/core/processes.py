"""Child processes."""

import ctypes
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import MappingProxyType
from typing import Generic, Self, TypeVar

from emulator.core.progress import Progress

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SPAWN = multiprocessing.get_context("spawn")

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent ends; a worker would wait for work for ever."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def in_processes(
    function: Callable[[Argument], Result | str], arguments: Sequence[Argument], processes: int, progress: Progress
) -> list[Result | str]:
    """Return what the function returns for each argument, in their order, or how the process that computed it ended
    before: killed, or by an exception, which is then on standard error. The other arguments are not affected.

    The function must be importable. The processes end at once when the user presses Ctrl-C, and with this process.
    """
    results: dict[int, Result | str] = {}
    progress(0, len(arguments))
    with WorkerPool(function, processes) as pool:
        numbers = [pool.submit(argument) for argument in arguments]
        for number, result in pool.results():
            results[number] = result
            progress(len(results), len(arguments))
    return [results[number] for number in numbers]


class WorkerPool(Generic[Argument, Result]):
    """Processes that call a function, which must be importable. They are started when there is work, with `variables`
    in their environment, and end at once with the `with` block and with this process.

    Arguments of one `group` go to the same process as long as others have work of their own: what it keeps of one call
    serves the next.
    """

    def __init__(
        self,
        function: Callable[[Argument], Result | str],
        processes: int,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._function, self._processes, self._variables = function, processes, dict(variables)
        self._waiting: dict[str, deque[tuple[int, Argument]]] = {}  # by group
        self._count = 0
        self._workers: dict[Connection, SpawnProcess] = {}
        self._groups: dict[Connection, str] = {}  # of each worker's latest argument
        self._busy: dict[Connection, int] = {}  # with the number of its argument

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._workers.values():
            process.kill()
            process.join()

    def submit(self, argument: Argument, group: str = "") -> int:
        """Add an argument; return its number, from 0. It can be called between two results."""
        self._waiting.setdefault(group, deque()).append((self._count, argument))
        self._count += 1
        return self._count - 1

    def results(self) -> Iterator[tuple[int, Result | str]]:
        """Yield the number of each argument with the function's result as soon as it is there, or with how its process
        ended before (`in_processes`), until none is left."""
        while self._waiting or self._busy:
            self._hand_out()
            for connection in wait(list(self._busy)):
                assert isinstance(connection, Connection)
                number = self._busy.pop(connection)
                try:
                    result = connection.recv()
                except (EOFError, ConnectionError):
                    del self._groups[connection]
                    result = _ending(self._workers.pop(connection))
                self._hand_out()
                yield number, result

    def _hand_out(self) -> None:
        """Give each idle worker an argument, and start workers for the others as far as there may be more."""
        while self._waiting and len(self._busy) < self._processes:
            idle = [each for each in list(self._workers) if each not in self._busy and self._lives(each)]
            at_hand = (each for each in idle if self._groups.get(each) in self._waiting)
            connection = next(at_hand, None) or (idle[0] if idle else self._start())
            group = self._group_for(connection)
            number, argument = self._waiting[group].popleft()
            if not self._waiting[group]:
                del self._waiting[group]
            self._busy[connection], self._groups[connection] = number, group
            with suppress(ConnectionError):  # of a worker that has ended, which is seen when it is waited for
                connection.send(argument)

    def _lives(self, connection: Connection) -> bool:
        """Return whether an idle worker runs; one that has ended is forgotten, or would cost its next argument."""
        if self._workers[connection].is_alive():
            return True
        del self._workers[connection], self._groups[connection]
        return False

    def _group_for(self, connection: Connection) -> str:
        """Return the worker's group if it is waiting, or else the first that no other worker has, or else the one with
        the most arguments."""
        if (own := self._groups.get(connection)) in self._waiting:
            return str(own)
        free = (group for group in self._waiting if group not in self._groups.values())
        return next(free, None) or max(self._waiting, key=lambda group: len(self._waiting[group]))

    def _start(self) -> Connection:
        """Start a worker; return the connection to it. Ctrl-C does not reach a worker that still imports its modules:
        it would print where it was."""
        here, there = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_serve, args=(self._function, there), daemon=True)
        resource_tracker.ensure_running()  # its start, otherwise within that of the worker, unblocks the signal
        before = dict(os.environ)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.environ.update(self._variables)
        try:
            process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        there.close()  # so that the worker's end is seen here
        self._workers[here] = process
        return here


def _serve(function: Callable[..., object], connection: Connection) -> None:
    """Answer each argument with the function's result, until killed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    end_with_parent()
    while True:
        connection.send(function(connection.recv()))


def _ending(process: SpawnProcess) -> str:
    process.join()
    code = process.exitcode or 0
    return f"its process ended ({f'exit code {code}' if code >= 0 else signal.Signals(-code).name})"
