"""What is acknowledged of the messages of stations is what the simulation says."""

from dataclasses import replace

import pytest

from emulator.activation.delivery import parse_delivery
from emulator.task import Partition, Task
from hil.mqtt.address import Address
from hil.stations.messages import MessageKey
from hil.stations.packings import Packings
from hil.stations.planning import make_schedule
from tests.hil.lab import kind
from tests.hil.stations.on_stations import FAST, free_addresses, make_system


@pytest.mark.parametrize("codec", ["fp16", "int8", "int4"])
@pytest.mark.parametrize("delivery", ["packets:500/scatter/zero", "packets:500/none/previous/t1"])
def test_acknowledged_bytes_of_prompts_and_of_further_tokens_are_those_of_the_simulation(
    codec: str, delivery: str
) -> None:
    of = replace(kind("llama-15m", codec), delivery=parse_delivery(delivery))
    placement = Partition("ue1", 0, 4), Partition("edge1", 4, 8)
    nodes = make_system([of], {"ue1": FAST, "edge1": FAST})
    placed = [(Task("ue1", of, 0, 0, 7, 3), placement)]
    schedule = make_schedule(nodes, placed, free_addresses(["ue1", "edge1"]), Address("127.0.0.1", 1))
    (job,), packings = schedule.jobs, Packings(schedule)
    for step in range(3):
        leg = schedule.leg(job, 2 * step + 1)
        assert (leg.step, leg.stage, leg.codec) == (step, 1, codec)
        message = packings.message(job, MessageKey(0, step, 1), bytes(leg.size_bytes))
        assert len(message.data) - sum(message.packets) == leg.acknowledged_bytes
