"""How the messages of tasks are laid out in packets, and what is made of those that arrived."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from emulator.activation.codecs import CODECS
from emulator.activation.concealment import Calibration, fill
from emulator.activation.delivery import ActivationDelivery, parse_delivery
from emulator.activation.packing import Packing, packing_of
from emulator.core.arrays import Float32s
from hil.stations.messages import DATAGRAM_BYTES, MessageKey, StationMessage
from hil.stations.schedule import Schedule, StationDelivery, StationJob, StationPlan

KEPT_PACKINGS = 64


class Packings:
    """The layouts of the messages of a schedule. Messages of kinds without a delivery are not laid out: their bytes
    are sent in order, and lost scalars are zeros."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._deliveries = {kind: _Delivery(given) for kind, given in schedule.deliveries.items()}

    def message(self, job: StationJob, key: MessageKey, data: bytes) -> StationMessage:
        """Return the message to the stage that `key` names, with the packets that may get lost first."""
        plan = self._schedule.plan(job)
        delivery = self._deliveries.get(plan.kind)
        if delivery is None:
            return StationMessage(key, data)
        if not _is_activation(plan, key):
            return StationMessage(key, data, acknowledged=True)
        cut, codec = plan.placement[key.stage].first, plan.legs.once[key.stage].codec
        packing = delivery.packing(cut, codec, _tokens(job, key), key.step == 0)
        return StationMessage(key, packing.pack(data), packets=packing.packet_bytes, acknowledged=True)

    def received(self, job: StationJob, message: StationMessage, shape: tuple[int, int]) -> Float32s:
        """Return the activation of `shape`, (tokens, elements), of a received message; what was lost is concealed.
        Raises ValueError for bytes that no encoder writes."""
        plan, stage = self._schedule.plan(job), message.key.stage
        cut, codec = plan.placement[stage].first, plan.legs.once[stage].codec
        arrived = np.ones(len(message.data), np.bool_)
        for start, stop in message.missing:
            arrived[start:stop] = False
        delivery = self._deliveries.get(plan.kind)
        if delivery is None:
            return CODECS[codec].decode_received(message.data, arrived, shape)[0]
        payload, there = delivery.packing(cut, codec, shape[0], message.key.step == 0).unpack(message.data, arrived)
        values, lost = CODECS[codec].decode_received(payload, there, shape)
        return fill(values, lost, delivery.delivery.recipe.concealment, delivery.calibrations[cut])


class _Delivery:
    """The delivery of a kind of tasks, its calibrations by cut, and the layouts made so far."""

    def __init__(self, given: StationDelivery) -> None:
        self.delivery: ActivationDelivery = parse_delivery(given.text)
        self.calibrations = {
            cut: Calibration(np.array(known.means, np.float32), np.array(known.energy_order, np.int64))
            for cut, known in given.cuts.items()
        }
        self.packing = lru_cache(KEPT_PACKINGS)(self._packing)
        self._elements = {cut: known.elements for cut, known in given.cuts.items()}

    def _packing(self, cut: int, codec: str, tokens: int, is_first: bool) -> Packing:
        """Return the layout of an activation of so many tokens. Those of later passes have no protected tokens, which
        are the first of the prompt."""
        recipe = self.delivery.recipe
        if not is_first:
            recipe = replace(recipe, protection=replace(recipe.protection, tokens=0))
        packet_bytes = min(self.delivery.harm.packet_bytes or DATAGRAM_BYTES, DATAGRAM_BYTES)
        shape = tokens, self._elements[cut]
        return packing_of(CODECS[codec], shape, recipe, packet_bytes, self.calibrations[cut])


def _is_activation(plan: StationPlan, key: MessageKey) -> bool:
    return 0 < key.stage < len(plan.placement)


def _tokens(job: StationJob, key: MessageKey) -> int:
    """Return the tokens of the activation of a pass: 1 for an image."""
    return max(1, job.prompt_tokens) if key.step == 0 else 1
