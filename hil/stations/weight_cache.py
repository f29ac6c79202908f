"""Which weights are in a station's memory by the model's account: the simulation's device, without its tables."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from hil.stations.schedule import Computer


class WeightCache:
    """The layers that are resident, the least recently used leaving first when memory is short.

    What is really loaded was so before the start: missing weights cost the modelled time alone.
    """

    def __init__(self, computer: Computer, weight_bytes: Mapping[str, Sequence[int]]) -> None:
        self._computer = computer
        self._weight_bytes = weight_bytes
        self._layers: OrderedDict[tuple[str, int], int] = OrderedDict()
        for model, index in computer.resident:
            self._layers[model, index] = weight_bytes[model][index]
        self._bytes = sum(self._layers.values())

    def fits(self, model: str, first: int, stop: int) -> bool:
        """Whether layers `first` up to, not including, `stop` can be resident together."""
        return sum(self._weight_bytes[model][first:stop]) <= self._computer.memory_bytes

    def load(self, model: str, first: int, stop: int) -> int | None:
        """Use these layers: the ns that loading the missing ones takes; None where they cannot fit
        (`emulator.device.make_resident`)."""
        wanted = [(model, index) for index in range(first, stop)]
        missing = [layer for layer in wanted if layer not in self._layers]
        if missing and not self.fits(model, first, stop):
            return None
        for layer in wanted:
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
