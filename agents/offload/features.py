"""The features of the observed tasks of many runs, in compiled code: `Encoder.features` of what each observes."""

from math import log10
from typing import NamedTuple

import numpy as np

from agents.split_inference.encoding import (
    HIGHEST_RATE_BPS,
    LONGEST_MS,
    LONGEST_S,
    LOWEST_RATE_BPS,
    SHORTEST_S,
    SOURCE,
    Layout,
)  # fmt: skip
from emulator.cell.activity import shared_rate_bps
from emulator.core.arrays import Float32s
from emulator.core.compiled import Bound, Table, entry_point, in_place
from emulator.device import PS_PER_NS, backlog_ns
from emulator.simulation.engine_state import EngineState
from emulator.stepping.systems import SteppedSystems
from emulator.stepping.tables import run_of


class FeatureTables(NamedTuple):
    """What the features of a layout are computed from, for each stream of a system."""

    hops: Table  # int64: links of all routes, one route after the other
    first_hop: Table  # int64, shape (streams, 2 nodes): of the routes to each node and from it
    stop_hop: Table
    fixed_ns: Table  # int64, shape (streams,): service time of the whole model at the source
    token_ps: Table
    context_ps: Table
    kind: Table  # int64, shape (streams,)
    kinds: int
    device: Table  # int64, shape (streams, queues)
    heard_at_once: Table  # bool, shape (streams, queues): the queue of the node that decides
    decider: Table  # int64, shape (streams,)
    age_ns: int
    window_ns: int


def feature_tables(systems: SteppedSystems, layout: Layout) -> FeatureTables:
    """Return the tables for a layout of the systems."""
    network, streams = systems.network, systems.streams
    control = network.system.control
    routes = [
        [network.route(*ends) for node in layout.nodes for ends in ((stream.source, node), (node, stream.source))]
        for stream in streams
    ]
    hops = [link.index for row in routes for route in row for link in route]
    edges = np.cumsum([0, *(len(route) for row in routes for route in row)])
    shape = len(streams), 2 * len(layout.nodes)
    times = [
        network.devices[stream.source].pass_times(stream.kind.model.name, 0, len(stream.kind.model.layers))
        for stream in streams
    ]
    queues = [[stream.source if node == SOURCE else node for node in layout.queues] for stream in streams]
    fixed_ns, token_ps, context_ps = np.array(times, np.int64).T.copy()
    return FeatureTables(
        np.array(hops, np.int64),
        edges[:-1].reshape(shape),
        edges[1:].reshape(shape),
        fixed_ns,
        token_ps,
        context_ps,
        np.array([layout.kinds.index(stream.kind.name) for stream in streams]),
        len(layout.kinds),
        np.array([[network.devices[node].index for node in row] for row in queues], np.int64).reshape(
            len(streams), len(layout.queues)
        ),
        np.array(
            [
                [node == control.decider(stream.source) for node in row]
                for stream, row in zip(streams, queues, strict=True)
            ],
            np.bool_,
        ).reshape(len(streams), len(layout.queues)),
        systems.decider,
        control.age_ns,
        control.window_ns,
    )


@entry_point
def fill_features(
    runs: EngineState, ordered_ns: Table, tables: FeatureTables, decisions: Table, features: Float32s
) -> None:
    """Write the features of each run's observed task, shape (runs, features). `ordered_ns`: of each run's
    deciding nodes and devices."""
    for row in range(len(decisions)):
        decision = decisions[row]
        engine, stream, known_ns = run_of(runs, row), decision.stream, decision.now_ns - tables.age_ns
        place = 0
        for route in range(tables.first_hop.shape[1]):
            rate_bps = HIGHEST_RATE_BPS  # as between a node and itself
            for hop in range(tables.first_hop[stream, route], tables.stop_hop[stream, route]):
                link = tables.hops[hop]
                rate_bps = min(rate_bps, shared_rate_bps(engine.links, engine.cells, link, known_ns, tables.window_ns))
            features[row, place] = (log10(max(rate_bps, LOWEST_RATE_BPS)) - 7) / 2
            place += 1
        prompt = decision.prompt_tokens
        per_token_ps = tables.token_ps[stream] + prompt // 2 * tables.context_ps[stream]
        whole_s = (tables.fixed_ns[stream] + max(prompt, 1) * per_token_ps // PS_PER_NS) / 1e9
        features[row, place] = log10(min(max(whole_s, SHORTEST_S), LONGEST_S)) / 2
        features[row, place + 1] = log10(1.0 + prompt) / 2
        features[row, place + 2] = log10(1.0 + decision.output_tokens) / 2
        place += 3
        for kind in range(tables.kinds):
            features[row, place] = 1.0 if kind == tables.kind[stream] else 0.0
            place += 1
        queues = tables.device.shape[1]
        for queue in range(queues):
            at_ns, device = (
                decision.now_ns if tables.heard_at_once[stream, queue] else known_ns,
                tables.device[stream, queue],
            )
            features[row, place + queue] = compressed(backlog_ns(engine.devices, device, at_ns))
            features[row, place + queues + queue] = compressed(ordered_ns[row, tables.decider[stream], device])


@in_place
def compressed(work_ns: int) -> float:
    """Return log10(1 + ms) / 2."""
    return log10(1.0 + min(work_ns / 1e6, LONGEST_MS)) / 2


write_features = Bound(fill_features)
