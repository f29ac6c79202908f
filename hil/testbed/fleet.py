"""The coordinator's requests to workers: deliver a layer, announce a plan, measure layers.

Layers and plans that a worker already has are not sent again while the worker lives.
"""

import logging
from collections.abc import Sequence
from typing import NoReturn

from hil import codec, control_messages, deployment
from hil.deployment import LayerId
from hil.testbed.connection import CoordinatorConnection, WorkerLost
from hil.testbed.ledger import Offline

LOG = logging.getLogger("airsplit.coordinator")
CHUNK_WINDOW = 8  # chunks in flight to a worker
DELIVERY_ATTEMPTS = 3


class WorkerRefused(Exception):
    """A worker refused a layer, a plan or a measurement; `reason` is the worker's text."""

    def __init__(self, worker: str, reason: str) -> None:
        super().__init__(f"{worker}: {reason}")
        self.worker = worker
        self.reason = reason


class Fleet:
    """Methods raise WorkerLost if a worker goes offline or is silent for `timeout_s`, WorkerRefused if it refuses."""

    def __init__(self, connection: CoordinatorConnection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._held: set[tuple[str, int, LayerId]] = set()  # (worker, incarnation, layer)
        self._announced: set[tuple[str, int, int]] = set()  # (worker, incarnation, plan)
        self._plans: dict[control_messages.Plan, int] = {}

    def holds(self, worker: str, layer: LayerId) -> bool:
        """Return whether a worker is known to hold a layer."""
        return (worker, self._incarnation(worker), layer) in self._held

    def deliver(self, worker: str, layer: LayerId, data: bytes) -> None:
        """Offer a layer and send the chunks that the worker lacks; repeat for chunks that are lost."""
        incarnation = self._incarnation(worker)
        whole, size = deployment.digest(data), len(data)
        offer = control_messages.Offer(self._connection.run, layer.model, layer.seed, layer.index, whole.hex(), size)
        holding: control_messages.Holding | None = None
        for _ in range(DELIVERY_ATTEMPTS):
            holding = self._request_holding(worker, offer, [control_messages.encode(offer)], ())
            while holding is not None and holding.missing and not holding.error:
                window = holding.missing[:CHUNK_WINDOW]
                chunks = [codec.encode_chunk(deployment.chunk(data, whole, index)) for index in window]
                holding = self._request_holding(worker, offer, chunks, window)
            if holding is not None and not holding.error:
                self._held.add((worker, incarnation, layer))
                return
            if holding is not None and holding.error == control_messages.NO_MEMORY:
                break
        if holding is None:
            self._give_up_on(worker)
        raise WorkerRefused(worker, holding.error)

    def announce(self, model: str, seed: int, stages: tuple[control_messages.Stage, ...]) -> int:
        """Announce the stages of a placement to each of its workers. Return the number of the plan."""
        unnumbered = control_messages.Plan(self._connection.run, 0, model, seed, stages)
        number = self._plans.setdefault(unnumbered, len(self._plans) + 1)
        plan = control_messages.encode(control_messages.Plan(self._connection.run, number, model, seed, stages))
        for worker in dict.fromkeys(stage.worker for stage in stages):
            known = (worker, self._incarnation(worker), number)
            if known not in self._announced:
                self._announce(worker, number, plan)
                self._announced.add(known)
        return number

    def measure(self, worker: str, order: control_messages.Measure) -> tuple[int, ...]:
        """Return the median time of each layer of an order in ns."""

        def accept(message: control_messages.AnyMessage) -> bool:
            wanted = (order.run, worker, order.model, order.first, order.tokens)
            match message:
                case control_messages.Measured(run, name, model, first, tokens, layer_ns, error):
                    is_whole = bool(error) or len(layer_ns) == order.stop - order.first
                    return is_whole and (run, name, model, first, tokens) == wanted
            return False

        reply = self._connection.request(worker, [control_messages.encode(order)], accept, self._timeout_s)
        if not isinstance(reply, control_messages.Measured):
            self._give_up_on(worker)
        if reply.error:
            raise WorkerRefused(worker, reply.error)
        return reply.layer_ns

    def declare_lost(self, worker: str) -> None:
        """Mark a silent worker as offline until its next status."""
        LOG.warning("worker %s did not reply for %g s: marked as lost", worker, self._timeout_s)
        self._connection.apply(Offline(worker))

    def _give_up_on(self, worker: str) -> NoReturn:
        self.declare_lost(worker)
        raise WorkerLost(worker)

    def _announce(self, worker: str, number: int, plan: bytes) -> None:
        def accept(message: control_messages.AnyMessage) -> bool:
            match message:
                case control_messages.Ready(run, name, plan):
                    return (run, name, plan) == (self._connection.run, worker, number)
            return False

        reply = self._connection.request(worker, [plan], accept, self._timeout_s)
        if not isinstance(reply, control_messages.Ready):
            self._give_up_on(worker)
        if reply.error:
            raise WorkerRefused(worker, reply.error)

    def _request_holding(
        self, worker: str, offer: control_messages.Offer, payloads: Sequence[bytes], sent: Sequence[int]
    ) -> control_messages.Holding | None:
        def accept(message: control_messages.AnyMessage) -> bool:
            match message:
                case control_messages.Holding(run, name, digest, missing, error):
                    ours = (run, name, digest) == (offer.run, worker, offer.digest)
                    ours = ours and max(missing, default=0) < deployment.chunk_count(offer.size)
                    return ours and (bool(error) or set(sent).isdisjoint(missing))
            return False

        reply = self._connection.request(worker, payloads, accept, self._timeout_s)
        return reply if isinstance(reply, control_messages.Holding) else None

    def _incarnation(self, worker: str) -> int:
        incarnation = self._connection.ledger.live.get(worker)
        if incarnation is None:
            raise WorkerLost(worker)
        return incarnation
