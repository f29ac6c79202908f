"""Child processes."""

import ctypes
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TypeVar

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
    waiting = deque(range(len(arguments)))
    workers: dict[Connection, SpawnProcess] = {}
    busy: dict[Connection, int] = {}  # with the index of its argument
    idle: list[Connection] = []
    progress(0, len(arguments))
    try:
        while waiting or busy:
            while waiting and len(busy) < processes:
                connection = idle.pop() if idle else _start(function, workers)
                busy[connection] = waiting.popleft()
                connection.send(arguments[busy[connection]])
            ready = wait(list(busy))
            for connection in [each for each in busy if each in ready]:
                index = busy.pop(connection)
                try:
                    results[index] = connection.recv()
                    idle.append(connection)
                except (EOFError, ConnectionError):
                    results[index] = _ending(workers.pop(connection))
                progress(len(results), len(arguments))
    finally:
        for process in workers.values():
            process.kill()
            process.join()
    return [results[index] for index in range(len(arguments))]


def _start(function: Callable[..., object], workers: dict[Connection, SpawnProcess]) -> Connection:
    """Start a worker; return the connection to it. Ctrl-C does not reach a worker that still imports its modules, as it
    would print where it was."""
    here, there = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(function, there), daemon=True)
    resource_tracker.ensure_running()  # its start, otherwise within that of the worker, unblocks the signal
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    there.close()  # so that the worker's end is seen here
    workers[here] = process
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
