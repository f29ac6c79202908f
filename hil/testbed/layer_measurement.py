"""Compute the layer times of a simulation's devices from times measured on workers."""

from collections.abc import Iterable, Iterator, Mapping

from emulator.device import PS_PER_NS, layer_times
from emulator.profile import Layer, ModelProfile
from emulator.system import DeviceSpec, LayerTimes, System

LayersByNode = dict[str, dict[str, set[int]]]  # node -> model -> indices of layers


def layers_by_node(system: System) -> LayersByNode:
    """Return the layers that any candidate placement assigns to each node."""
    layers: LayersByNode = {}
    for (_, kind), candidates in system.placements.items():
        model = system.kinds[kind].model.name
        for node, first, stop, _ in (part for placement in candidates for part in placement):
            layers.setdefault(node, {}).setdefault(model, set()).update(range(first, stop))
    return layers


def contiguous_ranges(indices: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the maximal ranges (first, stop) of consecutive indices, in order."""
    first = stop = -1
    for index in sorted(indices):
        if index != stop:
            if stop > first:
                yield first, stop
            first = index
        stop = index + 1
    if stop > first:
        yield first, stop


def measured_layer_times(
    spec: DeviceSpec, model: ModelProfile, time_scale: float, measured_ns: Mapping[int, Mapping[int, int]]
) -> LayerTimes:
    """Return a node's layer times from `measured_ns[tokens][layer]` on its worker. A layer without a measurement keeps
    the times that the profile gives on the device."""
    estimates = layer_times(spec, model)
    columns = list(zip(estimates.fixed_ns, estimates.token_ns, estimates.context_ps, strict=True))
    for index, layer in enumerate(model.layers):
        points = {tokens: times[index] * time_scale for tokens, times in measured_ns.items() if index in times}
        if points:
            columns[index] = _fit(layer, points)
    fixed_ns, token_ns, context_ps = zip(*columns, strict=True)
    return LayerTimes(fixed_ns, token_ns, context_ps)


def _fit(layer: Layer, points: Mapping[int, float]) -> tuple[int, int, int]:
    """Return (fixed ns, ns per token, ps per token and position) of a layer measured with one or two lengths.

    Model: a pass of S tokens, each attending to S / 2, takes fixed + token S (1 + r S / 2), where r is context FLOPs /
    FLOPs of a token; attention is assumed as fast as the rest. Negative estimates are noise and become 0.
    """
    if len(points) == 1:
        (time_ns,) = points.values()
        return round(time_ns), 0, 0
    ratio = layer.context_flops / layer.flops if layer.flops else 0.0
    (short, short_ns), (long, long_ns) = ((S * (1 + ratio * (S // 2)), ns) for S, ns in sorted(points.items()))
    token_ns = max(0.0, (long_ns - short_ns) / (long - short))
    fixed_ns = max(0.0, short_ns - token_ns * short)
    return round(fixed_ns), round(token_ns), round(token_ns * ratio * PS_PER_NS)
