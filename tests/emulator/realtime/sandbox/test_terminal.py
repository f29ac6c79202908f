"""A sandbox on a terminal: input reaches the command, and Ctrl-C the right processes."""

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.emulator.realtime.sandbox.test_sandbox import RUN

TREE = Path(__file__).parents[4]
PROMPT = """
from emulator.realtime.sandbox.terminal import take_terminal
take_terminal()
while True:
    try:
        print("said", input("> "), flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    except EOFError:
        raise SystemExit(6)
"""
SHELL = """
import subprocess, sys
print("code", subprocess.run([sys.executable, "-c", *sys.argv[1:]]).returncode, flush=True)
print("after", input(), flush=True)
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="private namespaces need root: run the tests as root")


class Terminal:
    """Where a user sits."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def interrupt(self, answer: str) -> None:
        """Ctrl-C until it is answered: Python sleeps over one that comes between its prompt and its reading."""
        for _ in range(20):
            self.type("\x03")
            while select.select([self._descriptor], [], [], 0.3)[0]:
                self.seen += os.read(self._descriptor, 4096).decode()
            if answer in self.seen:
                return
        raise AssertionError(f"no {answer!r} in {self.seen!r}")

    def await_text(self, text: str, patience_s: float = 20.0) -> None:
        give_up = time.monotonic() + patience_s
        while text not in self.seen:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, give_up - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen[-300:]!r}"
            self.seen += os.read(self._descriptor, 4096).decode()
        self.seen = self.seen.split(text, 1)[1]


@contextmanager
def at_terminal(*command: str) -> Iterator[tuple[Terminal, int]]:
    """A supervisor of `command` as the leader of a terminal's session."""
    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(TREE)
        os.execv(sys.executable, [sys.executable, "-c", *command])
    try:
        yield Terminal(descriptor), pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(descriptor)
        os.waitpid(pid, 0)


def test_prompt_hears_what_is_typed_and_ctrl_c_and_ends_with_its_own_code() -> None:
    with at_terminal(SHELL, RUN, sys.executable, "-c", PROMPT) as (terminal, _):
        terminal.await_text("> ")
        terminal.type("hello\n")
        terminal.await_text("said hello")
        terminal.await_text("> ")
        terminal.interrupt("interrupted")
        terminal.type("again\n")
        terminal.await_text("said again")
        terminal.await_text("> ")
        terminal.type("\x04")
        terminal.await_text("code 6")
        terminal.type("typed\n")  # the terminal is its former owner's again
        terminal.await_text("after typed")


def test_ctrl_c_without_a_prompt_ends_all() -> None:
    ignoring = "trap '' INT; echo up; sleep 1000"
    with at_terminal(
        "import signal; signal.signal(signal.SIGINT, lambda *_: None)\n" + SHELL, RUN, "sh", "-c", ignoring
    ) as (terminal, pid):
        terminal.await_text("up")
        descendants = psutil.Process(pid).children(recursive=True)
        terminal.type("\x03")
        terminal.await_text("code 130")
        assert not [each for each in descendants if each.is_running()]
