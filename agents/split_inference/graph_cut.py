"""The best division of a graph of layers between a device and a server, over a link of a known rate."""

import numpy as np

from agents.solvers.min_cut import minimum_cut
from agents.solvers.solution import FloatArray, Solution
from emulator.activation.codecs import CODECS
from emulator.core.units import NS_PER_S
from emulator.device import layer_times
from emulator.model_graph import ModelGraph
from emulator.system import DeviceSpec


def divide_graph(
    graph: ModelGraph, device: DeviceSpec, server: DeviceSpec, rate_bps: float, *, codec: str, input_bytes: int,
    result_bytes: int = 0, round_trip_ns: int = 0,
) -> Solution:  # fmt: skip
    """Return the division of one image's layers with the least delay in ns: places 0 the device, 1 the server.

    The link carries the outputs that the server takes one after the other at `rate_bps`, activations in a codec, the
    input as `input_bytes`; then the result comes back at the same rate. `round_trip_ns` is added once if any layer runs
    on the server: to all such divisions alike, so that the best of them stays the best. Without a rate all layers run
    on the device. Raises ValueError for a language model, and for measured times of another number of layers.
    """
    layers = graph.profile.layers
    on_device, on_server = _times_ns(graph, device), _times_ns(graph, server)
    local = Solution.optimum(np.zeros(len(layers)), on_device.sum())
    if not rate_bps:
        return local
    ns_per_byte = 8 * NS_PER_S / rate_bps
    transfer = np.array([CODECS[codec].size_bytes(layer.activation_elements, 1) for layer in layers], dtype=float)
    transfer[0] = input_bytes
    on_server[-1] += result_bytes * ns_per_byte
    found = minimum_cut(on_device, on_server, transfer * ns_per_byte, graph.edges)
    away = found._replace(value=found.value + round_trip_ns)
    return away if any(found.placement) and away.value < local.value else local


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
