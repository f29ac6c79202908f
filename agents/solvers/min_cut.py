"""A graph of layers over a device and a server, as a minimum cut.

Hu et al., "Dynamic adaptive DNN surgery for inference acceleration on the edge" (DADS), INFOCOM 2019. An output that
several layers take is sent once: an auxiliary node behind the layer carries its price. As printed, the graph permits
cuts in which a layer on the server feeds one on the device at no price. Here infinite arcs against each edge exclude
them: what the device needs runs on the device.
"""

from collections.abc import Sequence
from fractions import Fraction

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike

from agents.solvers.solution import FloatArray, Infeasible, Solution, cost_array

Edge = tuple[int, int]
DEVICE, SERVER = "device", "server"


def minimum_cut(
    device: ArrayLike, server: ArrayLike, transfer: ArrayLike, edges: Sequence[Edge], inputs: Sequence[int] = (0,)
) -> Solution:
    """Return the placement with the least sum of computation and transfers, under which no layer on the device takes
    the output of a layer on the server.

    `device`, `server`: times of the V layers, shape (V,). `transfer[v]`: time to send the output of layer v, paid once
    if any layer that takes it runs on the server. An edge (v, u) means that u takes the output of v. The layers of
    `inputs` run on the device. Places: 0 the device, 1 the server. The way back of an answer belongs to the server's
    time of the last layer. Raises ValueError for other shapes, negative costs or unknown layers, and Infeasible if
    every placement has an infinite cost. Takes O(V² √E).
    """
    device = cost_array("device", device, -1)
    count = len(device)
    server, transfer = cost_array("server", server, count).copy(), cost_array("transfer", transfer, count)
    for layer in (*inputs, *(layer for edge in edges for layer in edge)):
        if not 0 <= layer < count:
            raise ValueError(f"layer {layer}: must lie within 0-{count - 1}")
    server[list(inputs)] = np.inf
    try:
        _, (_, away) = nx.minimum_cut(cut_graph(device, server, transfer, edges), DEVICE, SERVER)
    except nx.NetworkXUnbounded:
        raise Infeasible("no placement has a finite cost") from None
    remote = np.array([layer in away for layer in range(count)])
    sent = {v for v, u in edges if not remote[v] and remote[u]}
    value = device[~remote].sum() + server[remote].sum() + transfer[sorted(sent)].sum()
    return Solution.optimum(remote, value)


def cut_graph(device: FloatArray, server: FloatArray, transfer: FloatArray, edges: Sequence[Edge]) -> nx.DiGraph:
    """Return the graph whose minimum cut is the placement. Capacities are integers in proportion to the costs, without
    rounding: flows of floating-point numbers leave residues, which make saturated arcs look open. An arc without a
    capacity is infinite."""
    finite = [Fraction(cost) for cost in np.concatenate([device, server, transfer]) if np.isfinite(cost)]
    unit = max((cost.denominator for cost in finite), default=1)  # all denominators are powers of two
    graph = nx.DiGraph()

    def add(source: object, target: object, cost: float) -> None:
        graph.add_edge(source, target, **({"capacity": int(Fraction(cost) * unit)} if np.isfinite(cost) else {}))

    for layer in range(len(device)):
        add(layer, SERVER, device[layer])
        add(DEVICE, layer, server[layer])
        add(layer, ("output", layer), transfer[layer])
    for layer, successor in edges:
        add(("output", layer), successor, np.inf)
        add(successor, layer, np.inf)
    return graph
