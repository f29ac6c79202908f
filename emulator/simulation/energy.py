"""Who draws the energy of tasks: UEs' radios, UEs' computers, edge and cloud.

`edge` is every device that is neither a UE's nor in the cloud: edge servers, base stations, brokers. What sending and
receiving draws counts as `ue_radio` at a UE, and belongs to the node's own part elsewhere.
"""

import numpy as np

from emulator.core.compiled import Record, Table, in_place
from emulator.system import LinkSpec, Node, Role, System

UE, EDGE, CLOUD = range(3)  # consumers
RADIO = np.dtype(
    [
        # what the two ends of a link draw while a message is on the air: all of it, and each consumer's
        ("all_w", np.float64),
        ("ue_w", np.float64),
        ("edge_w", np.float64),
        ("cloud_w", np.float64),
        ("air_ns", np.int64),  # time that tasks' messages have been on the air so far
    ]
)


def consumer_of(role: Role) -> int:
    """Return which consumer a node of a role is."""
    return {"ue": UE, "cloud": CLOUD}.get(role, EDGE)


def radios_of(system: System) -> Table:
    """Return a row of RADIO for each link."""
    radios = np.zeros(len(system.links), RADIO)
    for radio, link in zip(radios, system.links, strict=True):
        for node, power_w in link_powers_w(system, link):
            radio["all_w"] += power_w
            radio[("ue_w", "edge_w", "cloud_w")[consumer_of(node.role)]] += power_w
    return radios


def link_powers_w(system: System, link: LinkSpec) -> tuple[tuple[Node, float], tuple[Node, float]]:
    """Return the two ends of a link, each with what it draws while a message is on the air."""
    sender, receiver = system.nodes[link.source], system.nodes[link.target]
    transmit_w = sender.device.transmit_power_w if sender.device else 0.0
    receive_w = receiver.device.receive_power_w if receiver.device else 0.0
    return (sender, transmit_w), (receiver, receive_w)


def radio_w(system: System, link: LinkSpec) -> float:
    """Return what the two ends of a link draw together while a message is on the air."""
    return sum(power_w for _, power_w in link_powers_w(system, link))


def radio_energy_j(system: System, radios: Table) -> dict[str, float]:
    """Return what sending and receiving tasks' messages drew at each node with a device."""
    drawn_j = {node.name: 0.0 for node in system.nodes.values() if node.device is not None}
    for radio, link in zip(radios, system.links, strict=True):
        for node, power_w in link_powers_w(system, link):
            if node.device is not None:
                drawn_j[node.name] += power_w * int(radio["air_ns"]) * 1e-9
    return drawn_j


@in_place
def charge_radio(cost: Record, radio: Record, air_ns: int) -> None:
    """Charge a task's message that was on a link's air for `air_ns`."""
    cost.energy_j += radio.all_w * air_ns * 1e-9
    cost.energy_ue_radio_j += radio.ue_w * air_ns * 1e-9
    cost.energy_edge_j += radio.edge_w * air_ns * 1e-9
    cost.energy_cloud_j += radio.cloud_w * air_ns * 1e-9
    radio.air_ns += air_ns


@in_place
def charge_device(cost: Record, consumer: int, busy_power_w: float, busy_ns: int) -> None:
    """Charge a visit that kept a consumer's device busy for `busy_ns`."""
    energy_j = busy_power_w * busy_ns * 1e-9
    cost.energy_j += energy_j
    if consumer == UE:
        cost.energy_ue_compute_j += energy_j
    elif consumer == EDGE:
        cost.energy_edge_j += energy_j
    else:
        cost.energy_cloud_j += energy_j
