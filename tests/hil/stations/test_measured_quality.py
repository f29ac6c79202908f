"""What losses on the air cost in answers that stations compute, against the measured table."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from emulator.activation.delivery import parse_delivery
from emulator.core.arrays import Floats
from emulator.link import Link
from emulator.system import LinkSpec
from emulator.task import Partition, Task, TaskKind
from emulator.trace import constant
from hil.answers import Answer
from hil.mqtt.address import Address
from hil.stations.layers import NodeLayers
from hil.stations.messages import (
    DATAGRAM_BYTES,
    MTU,
    MessageKey,
    Reassembly,
    StationMessage,
    parse_piece,
    split_message,
)
from hil.stations.planning import make_schedule
from hil.stations.schedule import Schedule
from hil.stations.scoring import measured_losses
from tests.hil.lab import kind
from tests.hil.stations.on_stations import FAST, free_addresses, make_system
from topologies.models.language.packages import shipped_folder
from topologies.models.language.tokenizer import load_tokenizer, text_tokens
from topologies.quality.data import SHIPPED_TEXT, shipped_text, windows
from topologies.quality.tables import load_calibration, load_quality

MODEL, CUT, LAYERS = "smollm2-135m", 16, 32
TOKENS, TASKS = 128, 20
PROTECTED, PLAIN = "packets:1500/scatter/mean/t1/d4", "packets:1500/none/zero"


def prompts() -> list[tuple[int, ...]]:
    tokens = text_tokens(load_tokenizer(shipped_folder(MODEL)), shipped_text())
    scored, _ = windows(np.array(tokens), TOKENS, TASKS, SHIPPED_TEXT)
    return [tuple(window) for window in scored.tolist()]


def schedule_of(delivery: str) -> Schedule:
    of: TaskKind = replace(kind(MODEL, "int8"), name="text", delivery=parse_delivery(delivery))
    placement = Partition("ue1", 0, CUT), Partition("edge1", CUT, LAYERS)
    placed = [(Task("ue1", of, number, 0, TOKENS, 1), placement) for number in range(TASKS)]
    nodes = make_system([of], {"ue1": FAST, "edge1": FAST})
    addresses = free_addresses(["ue1", "edge1"])
    calibrations = {"text": load_calibration(MODEL)}
    made = make_schedule(nodes, placed, addresses, Address("127.0.0.1", 1), calibrations=calibrations)
    with_texts = tuple(replace(job, prompt=prompt) for job, prompt in zip(made.jobs, prompts(), strict=True))
    return replace(made, jobs=with_texts)


class Air:
    """A link that loses packets as the relay's does."""

    def __init__(self, schedule: Schedule, loss: float) -> None:
        self._leg_of, self._failure_ns = partial(schedule.leg_to, "edge1"), schedule.failure_ns
        self._link = Link.standalone(LinkSpec("ue1", "edge1", constant(1e9), bearer="um", loss=loss), 5)
        self._packets = 0
        self.lost_share: list[float] = []

    def carry(self, message: StationMessage) -> StationMessage:
        """Return a message as it arrives; its last piece must be acknowledged."""
        reassembly, lost = Reassembly(self._leg_of, self._failure_ns), 0
        for number, piece in enumerate(split_message(message, DATAGRAM_BYTES)):
            size_bytes = len(piece) + 28
            marked = message.acknowledged and number >= len(message.packets)
            now_ns = self._packets * 1_000_000
            crossed = self._link.enqueue(now_ns, size_bytes, self._packets, size_bytes if marked else 0)
            self._packets += 1
            assert crossed is not None and size_bytes <= MTU
            if crossed.erased_fraction > 0:
                lost += message.packets[number]
            elif (arrived := reassembly.add(parse_piece(piece), now_ns)) is not None:
                self.lost_share.append(lost / sum(message.packets))
                return arrived.message
        raise AssertionError("the last piece was lost")


def measured(delivery: str, loss_rates: tuple[float, ...]) -> dict[float, tuple[Floats, Floats]]:
    """Return for each loss rate the loss of quality of each task, and the share of its packets that was lost."""
    schedule = schedule_of(delivery)
    near, far = (NodeLayers(schedule, node) for node in ("ue1", "edge1"))
    airs = {rate: Air(schedule, rate) for rate in loss_rates}
    answers: dict[float, dict[int, Answer]] = {rate: {} for rate in loss_rates}
    for number, job in enumerate(schedule.jobs):
        output, _ = near.run(job, MessageKey(number, 0, 0), near.input(job))
        message = near.encode(job, MessageKey(number, 0, 0), schedule.next_leg(job, 0, 0), output)
        assert schedule.leg(job, 1).acknowledged_bytes == len(message.data) - sum(message.packets)
        for rate, air in airs.items():
            answer, _ = far.run(job, MessageKey(number, 0, 1), far.decode(job, air.carry(message)))
            found = far.answer(job, MessageKey(number, 0, 1), answer)
            assert found is not None
            answers[rate][number] = found
    losses = {rate: measured_losses(schedule, answers[rate], lambda *_: None) for rate in loss_rates}
    return {
        rate: (
            np.array([np.nan if each is None else each.loss for each in losses[rate]]),
            np.array(airs[rate].lost_share),
        )
        for rate in loss_rates
    }


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("delivery", "rates"), [(PROTECTED, (0.01, 0.05, 0.1)), (PLAIN, (0.1,))])
def test_measured_losses_agree_with_the_table(delivery: str, rates: tuple[float, ...]) -> None:
    curve = load_quality(MODEL).curve(CUT, "int8", delivery)
    for rate, (losses, shares) in measured(delivery, rates).items():
        assert shares.mean() == pytest.approx(rate, abs=4 * np.sqrt(rate / (TASKS * 45)))
        predicted = np.mean([curve.at(share) for share in shares])
        low, high = np.mean([curve.interval_at(share) for share in shares], axis=0)
        sample = 1.96 * losses.std(ddof=1) / np.sqrt(TASKS)
        table = predicted - low if losses.mean() < predicted else high - predicted
        assert abs(losses.mean() - predicted) <= np.hypot(table, sample)
