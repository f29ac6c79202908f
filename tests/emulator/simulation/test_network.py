"""Routes have the fewest hops, and what a policy hears is as old as declared."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.simulation.network import Network
from emulator.simulation.observation import DelayedObservation
from emulator.system import Control, Cost, DeviceSpec, LinkSpec, Node, System
from emulator.task import Partition, Task
from emulator.trace import Trace, constant
from emulator.workload import Periodic, Stream
from tests.emulator.systems import IMAGE, pairs

DEVICE = DeviceSpec(1e9, 10**6, 1e9, 1e9)
WIRE = constant(8e6)


def system_of(
    names: str,
    ways: list[tuple[str, str]],
    broker: str | None = None,
    traces: Mapping[tuple[str, str], Trace] | None = None,
) -> System:
    """One-letter nodes, each with a device."""
    links = tuple(LinkSpec(*way, (traces or {}).get(way, WIRE), delay_ns=index) for index, way in enumerate(ways))
    control = Control(names[0], 5 * NS_PER_MS, 50 * NS_PER_MS)
    nodes = {name: Node(name, "edge", DEVICE) for name in names}
    streams = (Stream(names[0], IMAGE, Periodic(NS_PER_S)),)
    return System("graph", 1, NS_PER_S, nodes, links, streams, {}, control, Cost(1.0), broker)


def hops(network: Network, source: str, target: str) -> list[tuple[str, str]]:
    return [(link.spec.source, link.spec.target) for link in network.route(source, target)]


def distances(names: str, ways: list[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """Fewest hops between all nodes (Floyd and Warshall)."""
    found = {(a, b): 0.0 if a == b else 1.0 if (a, b) in ways else inf for a, b in product(names, names)}
    for via, a, b in product(names, names, names):
        found[a, b] = min(found[a, b], found[a, via] + found[via, b])
    return found


WAYS = st.lists(st.sampled_from([(a, b) for a, b in product("abcde", "abcde") if a != b]), unique=True, max_size=14)


@given(ways=WAYS)
def test_routes_take_the_fewest_hops_or_are_refused(ways: list[tuple[str, str]]) -> None:
    network = Network(system_of("abcde", ways))
    for (source, target), fewest in distances("abcde", ways).items():
        if fewest == inf:
            with pytest.raises(ValueError, match=f"{target} must be reachable from {source}"):
                network.route(source, target)
            continue
        route = hops(network, source, target)
        assert len(route) == fewest
        assert all(way in ways for way in route)
        assert [source, *(end for _, end in route)] == [*(start for start, _ in route), target]


@given(ways=WAYS, broker=st.sampled_from("abcde"))
def test_routes_pass_the_broker_even_when_it_is_a_detour(ways: list[tuple[str, str]], broker: str) -> None:
    network = Network(system_of("abcde", ways, broker))
    direct = Network(system_of("abcde", ways))
    fewest = distances("abcde", ways)
    for source, target in product("abcde", "abcde"):
        if source == target:
            assert network.route(source, target) == ()
        elif fewest[source, broker] + fewest[broker, target] == inf:
            with pytest.raises(ValueError, match="must be reachable"):
                network.route(source, target)
        else:
            expected = hops(direct, source, broker) + hops(direct, broker, target)
            assert hops(network, source, target) == expected


def test_of_equal_routes_the_first_declared_link_wins() -> None:
    assert hops(Network(system_of("abcd", [("a", "c"), ("a", "b"), ("b", "d"), ("c", "d")])), "a", "d")[0] == ("a", "c")
    assert hops(Network(system_of("abcd", [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])), "a", "d")[0] == ("a", "b")


def test_a_route_is_made_of_the_networks_own_links() -> None:
    network = Network(system_of("ab", [("a", "b")]))
    assert network.route("a", "b")[0] is network.links["a", "b"]
    assert Network(network.system).links["a", "b"] is not network.links["a", "b"]


def test_candidates_weights_are_there_from_the_start_where_preload_is_set() -> None:
    """As far as memory goes: what a candidate runs where there is room is not loaded later."""
    layers = len(IMAGE.model.layers)
    for preload, expected_ns in ((True, 0), (False, IMAGE.model.weight_bytes(0, layers))):
        system = system_of("a", [])
        system = replace(system, placements={("a", "image"): ((Partition("a", 0, layers),),)}, preload=preload)
        service = Network(system).devices["a"].submit(0, IMAGE.model.name, 0, layers, 1)
        assert not isinstance(service, str)
        assert service.load_ns == expected_ns


def heard(network: Network, now_ns: int) -> DelayedObservation:
    return DelayedObservation(Task("a", IMAGE, 0, now_ns), now_ns, network, ())


def test_the_rate_heard_is_the_slowest_hops_and_as_old_as_declared() -> None:
    """Slots of 10 ms, a window of 50 ms, heard 5 ms late: at 100 ms it is that of 45..95 ms."""
    bits = np.arange(1, 21, dtype=np.int64) * 1_000
    slow, fast = Trace(10 * NS_PER_MS, {"capacity_bits": bits}), Trace(10 * NS_PER_MS, {"capacity_bits": bits * 3})
    network = Network(system_of("abc", [("a", "b"), ("b", "c")], traces={("a", "b"): fast, ("b", "c"): slow}))
    half = 0.5 * 5_000 + 6_000 + 7_000 + 8_000 + 9_000 + 0.5 * 10_000
    observation = heard(network, 100 * NS_PER_MS)
    assert observation.rate_bps("a", "c") == pytest.approx(half / 0.05)
    assert observation.rate_bps("a", "b") == pytest.approx(3 * half / 0.05)
    assert observation.rate_bps("b", "b") == inf
    assert (observation.age_ns, observation.now_ns) == (5 * NS_PER_MS, 100 * NS_PER_MS)


def test_nothing_heard_depends_on_what_the_channel_does_later() -> None:
    """Two channels that differ from 95 ms on look the same at 100 ms to a node that hears 5 ms late."""
    bits = np.arange(1, 21, dtype=np.int64) * 1_000
    rates = []
    for later in (1, 50):
        changed = np.concatenate((bits[:10], bits[10:] * later))
        trace = Trace(9_500_000, {"capacity_bits": changed})
        network = Network(system_of("ab", [("a", "b")], traces={("a", "b"): trace}))
        rates.append([heard(network, ms * NS_PER_MS).rate_bps("a", "b") for ms in range(6, 101)])
    assert rates[0] == rates[1]


def test_backlog_is_heard_late_from_others_and_known_at_once_of_its_own() -> None:
    network = Network(replace(system_of("ab", [("a", "b")]), preload=False))
    for node in "ab":
        network.devices[node].submit(10 * NS_PER_MS, IMAGE.model.name, 0, 1, 40 * NS_PER_MS)
    load_ns = IMAGE.model.weight_bytes(0, 1)
    just_after = heard(network, 12 * NS_PER_MS)
    assert just_after.backlog_ns("a") == 38 * NS_PER_MS + load_ns  # a decides
    assert just_after.backlog_ns("b") == 0  # not heard of yet
    assert heard(network, 15 * NS_PER_MS).backlog_ns("b") == 40 * NS_PER_MS + load_ns


def test_profile_times_and_delays_are_those_of_the_system() -> None:
    network = Network(pairs(1))
    observation = DelayedObservation(Task("ue1", IMAGE, 0, 0), 0, network, ())
    assert observation.delay_ns("ue1", "edge1") == 2 * NS_PER_MS
    assert observation.delay_ns("ue1", "ue1") == 0
    expected = network.devices["edge1"].service_ns(IMAGE.model.name, 1, 3, 1, 0)
    assert observation.service_ns("edge1", 1, 3, 1, 0) == expected > 0
