"""The relay's process: does what its handle (`relay`) asks for, and runs the loop meanwhile."""

import gc
import os
import select
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

import numpy as np

from emulator.cell.tables import Cells
from emulator.core.compiled import bound
from emulator.core.fifo import FOREVER_NS, unused
from emulator.core.files import require_folder
from emulator.link.tables import Links
from emulator.realtime.relay.egress import flush
from emulator.realtime.relay.frames import HEADERS_BYTES
from emulator.realtime.relay.ingress import BROKEN, NEED_ROOM
from emulator.realtime.relay.ipc import receive, send
from emulator.realtime.relay.log_writer import LogWriter
from emulator.realtime.relay.loop import serve
from emulator.realtime.relay.packet_queues import NOWHERE, empty_lanes
from emulator.realtime.relay.priority import new_timer, take_precedence
from emulator.realtime.relay.state import EVENT, EVENTS, ROW, ROWS, STATE, Air
from emulator.realtime.relay.system_calls import WORDS
from emulator.system import CellSpec, LinkSpec

DESCRIPTORS = 65_536
LONG_AGO_NS = -FOREVER_NS // 2
ROOM = 131_072  # messages at the start, so that links and cells hardly ever grow in a run


class Process:
    """The links, and what is inside them, for as long as the process lives."""

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
        self._poll.register(timer, select.EPOLLIN | select.EPOLLET)  # so that it need not be read
        self._log: LogWriter | None = None
        self._broken: list[int] = []
        self._make_tables()
        lanes = empty_lanes(links, list(cells))
        state = np.zeros(1, STATE)
        state["poll"], state["control"], state["lane"] = self._poll.fileno(), control.fileno(), NOWHERE
        state["timer"] = timer
        state["pool_address"] = lanes.pool.ctypes.data
        self.air = Air(
            self._links.tables,
            self._cells.tables,
            lanes,
            np.zeros(DESCRIPTORS, np.int64),
            state,
            np.full(ROWS, 0, ROW),  # all of it is memory already, as `zeros` is not
            np.zeros(EVENTS, EVENT),
            np.zeros(WORDS, np.int64),
            np.zeros(HEADERS_BYTES, np.uint8),
        )
        self._serve = bound(serve, self.air)
        self._flush = bound(flush, self.air)

    def run(self) -> None:
        """Serve until the handle is gone."""
        requests: dict[str, Callable[..., object]] = {"attach": self._attach, "begin": self._begin, "end": self._end}
        while True:
            reason = self._serve(self.air)
            if reason == NEED_ROOM:
                self._grow()
            elif reason == BROKEN:
                self._leave_broken()
            else:
                try:
                    (request, arguments), descriptors = receive(self._control)
                except ConnectionError:
                    return
                requests[request](*arguments, *descriptors)

    def _attach(self, link: int, source: int, target: int) -> None:
        lane = self.air.lanes.lanes[link]
        if lane["source"] != NOWHERE:
            with suppress(FileNotFoundError):  # one that broke is no longer polled
                self._poll.unregister(int(lane["source"]))  # closing would do only where nobody else has it open
            os.close(int(lane["source"]))
            os.close(int(lane["target"]))
        lane["source"], lane["target"], lane["error"] = source, target, 0
        self.air.lane_of[source] = link
        self._poll.register(source, select.EPOLLIN)
        self._answer(None)

    def _begin(self, start_ns: int, log: Path) -> None:
        state = self.air.state[0]
        if state["running"]:
            raise ValueError("begin: there must have been an end first")
        try:
            require_folder(log)
            self._log = LogWriter(log, self.air.state, self.air.rows)
        except (OSError, ValueError) as error:
            send(self._control, (one_line(error), None))
            return
        self._make_tables()
        self.air = self.air._replace(links=self._links.tables, cells=self._cells.tables)
        self.air.lanes.lanes["count"], self.air.lanes.lanes["left_ns"] = 0, LONG_AGO_NS
        self._broken = []
        for name in ("packets", "stray", "overflowed", "unlogged", "rows", "published", "taken"):
            state[name] = 0
        state["start_ns"], state["running"] = start_ns, True
        self._answer(None)

    def _end(self) -> None:
        state = self.air.state[0]
        if self._log is None:
            raise ValueError("end: there must have been a begin first")
        self._flush(self.air)
        state["running"], state["published"] = False, state["rows"]
        log, self._log = self._log, None
        counts = *(int(state[name]) for name in ("packets", "unlogged", "overflowed", "stray")), tuple(self._broken)
        Thread(target=self._conclude, args=(log, counts), daemon=True).start()  # frames do not wait for it

    def _conclude(self, log: LogWriter, counts: tuple[object, ...]) -> None:
        try:
            log.finish()
        except Exception as error:  # whatever it is, the handle waits for an answer
            send(self._control, (one_line(error), None))
        else:
            self._answer(counts)

    def _answer(self, answer: object) -> None:
        send(self._control, ("", answer))

    def _make_tables(self) -> None:
        links, cells, seed, duration_ns = self._system
        self._links = Links(links, seed)
        self._cells = Cells(cells, links, seed, 0, duration_ns)
        while unused(self._links.tables.queues) < ROOM:
            self._links.grow()
        while cells and self._cells.tables.messages[0]["size_bytes"] < ROOM:
            self._cells.add_messages(ROOM)

    def _grow(self) -> None:
        """Double what a frame found too small, or what has little room left."""
        lane = self.air.lanes.lanes[self.air.state["lane"][0]]
        if self.air.state["lane"][0] != NOWHERE and lane["cell"] == NOWHERE:
            self._links.grow()
        else:
            self._cells.add_messages(len(self._cells.tables.messages))
            self._cells.grow()
        self.air = self.air._replace(links=self._links.tables, cells=self._cells.tables)

    def _leave_broken(self) -> None:
        """Read no longer from interfaces that are gone."""
        for link, lane in enumerate(self.air.lanes.lanes):
            if lane["error"]:
                self._broken.append(link)
                self._poll.unregister(int(lane["source"]))
                lane["error"] = 0


def one_line(error: Exception) -> str:
    """The first line of what an error says, and what it is where that is not this project's own rule."""
    text = str(error).partition("\n")[0]
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"


def main(descriptor: int) -> None:
    """Be the process at the other end of a control socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # typed at the terminal, it is the handle's to deal with
    with socket.socket(fileno=descriptor) as control:
        try:
            (_, arguments), _ = receive(control)
            process = Process(control, *arguments)
            gc.disable()
            send(control, ("", take_precedence()))
            process.run()
        except Exception as error:  # whatever it is, the handle says it in one line
            send(control, (one_line(error), None))
            os._exit(1)
    os._exit(0)  # nothing is left to tidy up, which the interpreter would look for
