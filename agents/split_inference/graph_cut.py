"""The best division of a graph of layers between a device and a server, over a link of a known rate."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agents.solvers.min_cut import minimum_cut
from agents.solvers.single_cut import latency_cut
from agents.solvers.solution import FloatArray, Solution
from emulator.activation.codecs import CODECS
from emulator.core.units import NS_PER_S
from emulator.device import layer_times
from emulator.model_graph import ModelGraph
from emulator.system import DeviceSpec


class Division(NamedTuple):
    """What is divided: one image's layers, between a device and a server that are joined by a link.

    The link carries the outputs that the server takes one after the other at its rate, activations in a codec, the
    input as `input_bytes`; then the result comes back at the same rate. `round_trip_ns` is added once if any layer runs
    on the server.
    """

    graph: ModelGraph
    device: DeviceSpec
    server: DeviceSpec
    codec: str
    input_bytes: int
    result_bytes: int = 0
    round_trip_ns: int = 0

    def best(self, rate_bps: float) -> Solution:
        """Return the division with the least delay in ns: places 0 the device, 1 the server. Without a rate all layers
        run on the device. Raises ValueError for a language model, and for measured times of another number of layers.
        """
        device, server, transfer = self._costs_ns(rate_bps)
        found = minimum_cut(device, server, transfer, self.graph.edges)
        return self._or_local(found, device)

    def best_of_chain(self, rate_bps: float) -> Solution:
        """Return the best division that cuts the graph where a single output crosses. Otherwise as `best`."""
        device, server, transfer = self._costs_ns(rate_bps)
        starts = np.array([1, *self.graph.chain_cuts()])
        found = latency_cut(np.add.reduceat(device, starts), np.add.reduceat(server, starts), transfer[starts - 1])
        blocks = np.diff([*starts, len(device)])
        placement = (0, *np.repeat(found.placement, blocks).tolist())
        return self._or_local(found._replace(placement=placement), device)

    def delay_ns(self, placement: Sequence[int], rate_bps: float) -> float:
        """Return the delay of a division under which no layer on the device takes an output of the server."""
        device, server, transfer = self._costs_ns(rate_bps)
        remote = np.asarray(placement, dtype=bool)
        sent = {v for v, u in self.graph.edges if not remote[v] and remote[u]}
        round_trip_ns = self.round_trip_ns if remote.any() else 0
        return float(device[~remote].sum() + server[remote].sum() + transfer[sorted(sent)].sum() + round_trip_ns)

    def _or_local(self, found: Solution, device: FloatArray) -> Solution:
        """Return what was found, with its round trip, or all layers on the device if that is no slower."""
        local = Solution.optimum(np.zeros(len(device)), device.sum())
        away = found._replace(value=found.value + self.round_trip_ns)
        return away if any(found.placement) and away.value < local.value else local

    def _costs_ns(self, rate_bps: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return each layer's time on the device, on the server, and that of sending its output, shape (layers,)."""
        layers = self.graph.profile.layers
        device, server = _times_ns(self.graph, self.device), _times_ns(self.graph, self.server)
        sizes = [CODECS[self.codec].size_bytes(layer.activation_elements, 1) for layer in layers]
        sent_bytes = np.array([self.input_bytes, *sizes[1:]], dtype=np.float64)
        ns_per_byte = 8 * NS_PER_S / rate_bps if rate_bps else np.inf
        server[-1] += self.result_bytes * ns_per_byte if self.result_bytes else 0.0
        return device, server, sent_bytes * ns_per_byte


def _times_ns(graph: ModelGraph, spec: DeviceSpec) -> FloatArray:
    """Return the times of the layers for one image, shape (layers,)."""
    model = graph.profile
    if model.family != "vision":
        raise ValueError(f"{model.name}: must be a vision model; language models are chains")
    times = layer_times(spec, model)
    if len(times.fixed_ns) != len(model.layers):
        raise ValueError(f"{model.name}: measured times must be of its {len(model.layers)} layers")
    found = np.array([times.fixed_ns, times.token_ns], dtype=np.float64)
    found[:, 0] = 0.0  # the input is there
    total: FloatArray = found.sum(axis=0)
    return total
