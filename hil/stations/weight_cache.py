"""The modelled weight cache of a station: the same rules as the simulation's device, without its tables."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from hil.stations.schedule import Computer


class WeightCache:
    """The layers whose weights count as loaded; the least recently used are evicted first.

    The real weights are always in memory: a missing layer only costs the modelled loading time.
    """

    def __init__(self, computer: Computer, weight_bytes: Mapping[str, Sequence[int]]) -> None:
        self._computer = computer
        self._weight_bytes = weight_bytes
        self._layers: OrderedDict[tuple[str, int], int] = OrderedDict()
        for model, index in computer.resident:
            self._layers[model, index] = weight_bytes[model][index]
        self._bytes = sum(self._layers.values())

    def use(self, model: str, first: int, stop: int) -> int | None:
        """Count these layers as used now. Return the modelled time in ns to load the missing ones, or None if they do
        not fit (`emulator.device.load_layers`)."""
        needed = [(model, index) for index in range(first, stop)]
        missing = [layer for layer in needed if layer not in self._layers]
        if missing and not fits(self._computer, self._weight_bytes[model], first, stop):
            return None
        for layer in needed:
            if layer in self._layers:
                self._layers.move_to_end(layer)
        missing_bytes = sum(self._weight_bytes[model][index] for _, index in missing)
        while self._bytes + missing_bytes > self._computer.memory_bytes:
            _, freed_bytes = self._layers.popitem(last=False)
            self._bytes -= freed_bytes
        for layer in missing:
            self._layers[layer] = self._weight_bytes[layer[0]][layer[1]]
        self._bytes += missing_bytes
        return round(missing_bytes * 1e9 / self._computer.load_bytes_per_s)


def fits(computer: Computer, layer_bytes: Sequence[int], first: int, stop: int) -> bool:
    """Return whether a model's layers `first` up to, not including, `stop` fit into a node's memory together."""
    return sum(layer_bytes[first:stop]) <= computer.memory_bytes
