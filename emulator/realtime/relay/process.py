"""The relay's process: runs the compiled loop, and answers the requests of its handle (`relay.Relay`)."""

import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

import numpy as np

from emulator.cell.tables import Cells
from emulator.core.compiled import Bound
from emulator.core.fifo import FOREVER_NS
from emulator.core.files import require_folder
from emulator.link.tables import Links
from emulator.realtime.relay.egress import flush_all
from emulator.realtime.relay.frames import MAX_HEADERS_BYTES
from emulator.realtime.relay.ingress import BROKEN
from emulator.realtime.relay.ipc import receive, send
from emulator.realtime.relay.log_writer import LogWriter, order_memory
from emulator.realtime.relay.loop import run_loop
from emulator.realtime.relay.packet_queues import NONE, empty_packet_queues
from emulator.realtime.relay.priority import new_timer, set_realtime_priority
from emulator.realtime.relay.state import EPOLL_EVENT, LOG_RING_ROWS, LOG_ROW, MAX_EVENTS, SCALARS, RelayState
from emulator.realtime.relay.system_calls import SCRATCH_WORDS
from emulator.system import CellSpec, LinkSpec

MAX_DESCRIPTORS = 65_536
LONG_AGO_NS = -FOREVER_NS // 2
TOUCHED_ROWS = 131_072  # of the tables of messages: touched before a run, because first use is slow


class RelayProcess:
    """The links, cells and packet queues of the relay, and the requests that change them."""

    def __init__(
        self,
        control: socket.socket,
        links: Sequence[LinkSpec],
        cells: Mapping[str, CellSpec],
        seed: int,
        duration_ns: int,
    ) -> None:
        self._control = control
        self._system = links, cells, seed, duration_ns
        self._poll = select.epoll()
        self._poll.register(control.fileno(), select.EPOLLIN)
        timer = new_timer()
        self._poll.register(timer, select.EPOLLIN | select.EPOLLET)  # edge-triggered: need not be read
        self._log: LogWriter | None = None
        self._finishing: Thread | None = None
        self._broken: set[int] = set()
        self._make_tables()
        queues = empty_packet_queues(links, list(cells))
        scalars = np.zeros(1, SCALARS)
        scalars["poll"], scalars["control"], scalars["timer"] = self._poll.fileno(), control.fileno(), timer
        scalars["pool_address"] = queues.pool.ctypes.data
        self.state = RelayState(
            self._links.tables,
            self._cells.tables,
            queues,
            np.zeros(MAX_DESCRIPTORS, np.int64),
            scalars,
            np.full(LOG_RING_ROWS, 0, LOG_ROW),  # touches the memory, which `zeros` does not
            np.zeros(MAX_EVENTS, EPOLL_EVENT),
            np.zeros(SCRATCH_WORDS, np.int64),
            np.zeros(MAX_HEADERS_BYTES, np.uint8),
        )
        self._run_loop, self._flush_all = Bound(run_loop), Bound(flush_all)

    def compile(self) -> None:
        """Compile the loop, without running it."""
        self._run_loop.compile(self.state)
        self._flush_all.compile(self.state)
        order_memory()

    def run(self) -> None:
        """Relay packets and answer requests until the handle closes the control socket, then end the run, if any."""
        requests: dict[str, Callable[..., object]] = {"attach": self._attach, "begin": self._begin, "end": self._end}
        while True:
            reason = self._run_loop(self.state)
            if reason == BROKEN:
                self._detach_broken()
                continue
            try:
                (request, arguments), descriptors = receive(self._control)
            except ConnectionError:
                break
            try:
                requests[request](*arguments, *descriptors)
            except (OSError, ValueError) as error:
                for descriptor in descriptors:
                    os.close(descriptor)
                self._reply(one_line(error), None)
        if self._log is not None:
            self._end()
        if self._finishing is not None:
            self._finishing.join()

    def _attach(self, link: int, source: int, target: int) -> None:
        queue = self.state.queues.by_link[link]
        self._poll.register(source, select.EPOLLIN)
        if queue["source"] != NONE:
            self._stop_polling(int(queue["source"]))
            os.close(int(queue["source"]))
            os.close(int(queue["target"]))
        queue["source"], queue["target"], queue["broken"] = source, target, False
        self.state.link_of[source] = link
        self._reply("", None)

    def _begin(self, origin_ns: int, log: Path) -> None:
        scalars = self.state.scalars[0]
        if scalars["running"]:
            raise ValueError("begin() called during a run; call end() first")
        require_folder(log)
        self._make_tables()
        self._log = LogWriter(log, self.state.scalars, self.state.log_ring)
        self.state = self.state._replace(links=self._links.tables, cells=self._cells.tables)
        by_link = self.state.queues.by_link
        by_link["arrived"], by_link["last_write_ns"] = 0, LONG_AGO_NS
        self._broken = self._broken_now()
        for name in ("packets", "non_ipv4", "overflowed", "unlogged", "log_rows", "published_rows", "stored_rows"):
            scalars[name] = 0
        scalars["origin_ns"], scalars["running"] = origin_ns, True
        self._reply("", None)

    def _end(self) -> None:
        scalars = self.state.scalars[0]
        if self._log is None:
            raise ValueError("end() called without a run; call begin() first")
        self._flush_all(self.state)
        scalars["running"], scalars["published_rows"] = False, scalars["log_rows"]
        log, self._log = self._log, None
        counts = tuple(int(scalars[name]) for name in ("packets", "unlogged", "overflowed", "non_ipv4"))
        # a thread, because packets are passed on meanwhile
        self._finishing = Thread(target=self._finish_log, args=(log, (*counts, tuple(sorted(self._broken)))))
        self._finishing.start()

    def _finish_log(self, log: LogWriter, counts: tuple[object, ...]) -> None:
        try:
            log.finish()
        except Exception as error:  # of any kind: the handle waits for an answer
            self._reply(one_line(error), None)
        else:
            self._reply("", counts)

    def _reply(self, failure: str, answer: object) -> None:
        with suppress(BrokenPipeError):  # the handle has closed the control socket
            send(self._control, (failure, answer))

    def _make_tables(self) -> None:
        links, cells, seed, duration_ns = self._system
        self._links = Links(links, seed)
        self._cells = Cells(cells, links, seed, 0, duration_ns)
        for table in (self._links.tables.queues.entries, self._cells.tables.messages, self._cells.tables.busy.entries):
            table["next"][:TOUCHED_ROWS] = 0

    def _detach_broken(self) -> None:
        """Stop reading from interfaces that no longer exist."""
        for link in self._broken_now():
            self._stop_polling(int(self.state.queues.by_link[link]["source"]))
        self._broken |= self._broken_now()

    def _broken_now(self) -> set[int]:
        return set(np.flatnonzero(self.state.queues.by_link["broken"]).tolist())

    def _stop_polling(self, source: int) -> None:
        # epoll would drop a closed descriptor by itself only if no other process has it open
        with suppress(FileNotFoundError):  # a broken source is no longer polled
            self._poll.unregister(source)


def one_line(error: Exception) -> str:
    """Return the first line of an error's text, after its type unless it is a ValueError, whose text is enough."""
    text = str(error).partition("\n")[0]
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"


def main(descriptor: int) -> None:
    """Run the process at the other end of a control socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at a terminal, the handle ends this process
    with socket.socket(fileno=descriptor) as control:
        try:
            (_, arguments), _ = receive(control)
            process = RelayProcess(control, *arguments)
            gc.disable()
            send(control, ("", set_realtime_priority()))
            process.run()
        except Exception as error:  # of any kind: the handle reports it in one line
            with suppress(BrokenPipeError):  # the handle has closed the control socket
                send(control, (one_line(error), None))
            os._exit(1)
    os._exit(0)  # skips the interpreter's clean-up, which has nothing to do here


if __name__ == "__main__":
    main(int(sys.argv[1]))
