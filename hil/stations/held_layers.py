"""Stand in for a node's layers without computing: outputs are zeros of the model's sizes, and no torch is needed."""

import time

from emulator.legs import Leg
from hil.stations.messages import MessageKey, StationMessage
from hil.stations.packings import Packings
from hil.stations.schedule import Schedule, StationJob


class HeldLayers:
    """The layers of a node whose partitions only occupy it for the modelled time (`StationLayers`)."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._packings = Packings(schedule)

    def input(self, _job: StationJob) -> None:
        """Return nothing: no partition looks at its input."""

    def decode(self, job: StationJob, message: StationMessage) -> None:
        """Check the size of a received message. Raises Malformed for a wrong one."""
        self._schedule.require_size(job, message.key.step, message.key.stage, len(message.data))

    def run(self, _job: StationJob, _key: MessageKey, _x: None) -> tuple[None, int]:
        """Compute nothing; return when it is done, by CLOCK_MONOTONIC."""
        return None, time.monotonic_ns()

    def record_answer(self, _job: StationJob, _key: MessageKey, _output: None) -> int:
        """Return 0: there are no scores."""
        return 0

    def encode(self, job: StationJob, key: MessageKey, leg: Leg, _output: None) -> StationMessage:
        """Return the message of a leg, all zeros."""
        return self._packings.message(job, MessageKey(key.job, leg.step, leg.stage), bytes(leg.size_bytes))

    def answer(self, _job: StationJob, _key: MessageKey, _output: None) -> None:
        """Return None: there are no answers."""

    def local_input(self, _key: MessageKey, _leg: Leg, _output: None) -> None:
        """Return nothing, as `input`."""
