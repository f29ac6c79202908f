"""The weights that are on their way to a worker: offers, their chunks, and the memory that both may take."""

from typing import Protocol

from hil import codec, control_messages
from hil.control_messages import Holding, Offer
from hil.deployment import Assembly, LayerId
from hil.errors import Malformed

MAX_OFFERS = 64  # open at once; the oldest are forgotten first


class WeightHolder(Protocol):
    """Hold the weights of complete layers (`hil.runtime.Runtime`)."""

    @property
    def held_bytes(self) -> int:
        """The size of all weights."""

    def holds(self, layer: LayerId, whole: bytes) -> bool:
        """Return whether a layer is held with the weights whose SHA-256 is `whole`."""

    def find(self, layer: LayerId, whole: bytes) -> bool:
        """Return whether this machine has a layer's weights, with the SHA-256 `whole`, and then hold them."""

    def load(self, layer: LayerId, data: bytes, whole: bytes) -> None:
        """Hold a layer with the weights `data`, whose SHA-256 is `whole`. Raises Malformed unless they fit."""


class Transfers:
    """Take the chunks of offered layers, and load a layer when it is complete."""

    def __init__(self, worker: str, memory_bytes: int, holder: WeightHolder) -> None:
        """`memory_bytes` bounds the loaded weights and the received chunks together."""
        self._worker = worker
        self._memory_bytes = memory_bytes
        self._holder = holder
        self._open: dict[bytes, tuple[Offer, Assembly]] = {}  # by digest, the latest last

    def offer(self, offer: Offer) -> Holding:
        """Return which chunks of an offered layer are lacking, or that there is no memory for it."""
        whole = bytes.fromhex(offer.digest)
        if self._holder.holds(layer_of(offer), whole):
            return self._holding(offer, ())
        if offer.size + self._holder.held_bytes > self._memory_bytes:
            return self._holding(offer, (), control_messages.NO_MEMORY)
        if self._holder.find(layer_of(offer), whole):
            return self._holding(offer, ())
        known = self._open.pop(whole, None)
        assembly = known[1] if known and known[1].size == offer.size else Assembly(whole, offer.size)
        self._open[whole] = offer, assembly
        while len(self._open) > MAX_OFFERS or (len(self._open) > 1 and self._exceeds_memory(0)):
            del self._open[next(iter(self._open))]
        return self._holding(offer, assembly.missing)

    def take(self, chunk: codec.Chunk) -> Holding:
        """Return what is lacking with a chunk, or the error that prevents the layer. Raises Malformed for a chunk of
        weights that are not on offer."""
        known = self._open.get(chunk.whole)
        if known is None:
            raise Malformed("chunk: its weights were not offered")
        offer, assembly = known
        if self._exceeds_memory(len(chunk.data)):
            del self._open[chunk.whole]
            return self._holding(offer, assembly.missing, control_messages.NO_MEMORY)
        try:
            assembly.add(chunk)
            if not assembly.missing:
                data = assembly.take()
                del self._open[chunk.whole]
                self._holder.load(layer_of(offer), data, chunk.whole)
        except ValueError as failure:
            return self._holding(offer, assembly.missing, control_messages.one_line(failure))
        return self._holding(offer, assembly.missing)

    def _exceeds_memory(self, more_bytes: int) -> bool:
        received_bytes = sum(assembly.received_bytes for _, assembly in self._open.values())
        return self._holder.held_bytes + received_bytes + more_bytes > self._memory_bytes

    def _holding(self, offer: Offer, missing: tuple[int, ...], error: str = "") -> Holding:
        return Holding(offer.run, self._worker, offer.digest, missing, error)


def layer_of(offer: Offer) -> LayerId:
    """Return the layer that an offer is about."""
    return LayerId(offer.model, offer.seed, offer.layer)
