"""Who draws the energy of tasks: UEs' radios, UEs' computers, edge and cloud.

`edge` is every device that is neither a UE's nor in the cloud: edge servers, base stations, brokers. What sending and
receiving draws counts as `ue_radio` at a UE, and belongs to the node's own part elsewhere.
"""

import numpy as np

from emulator.core.compiled import Record, Table, in_place
from emulator.simulation.network import Network
from emulator.system import Role

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


def radios_of(network: Network) -> Table:
    """Return a row of RADIO for each link."""
    nodes = network.system.nodes
    radios = np.zeros(len(network.links), RADIO)
    for radio, (source, target) in zip(radios, network.links, strict=True):
        sender, receiver = nodes[source].device, nodes[target].device
        powers_w = (sender.transmit_power_w if sender else 0.0), (receiver.receive_power_w if receiver else 0.0)
        radio["all_w"] = sum(powers_w)
        for name, power_w in zip((source, target), powers_w, strict=True):
            radio[("ue_w", "edge_w", "cloud_w")[consumer_of(nodes[name].role)]] += power_w
    return radios


def radio_energy_j(network: Network, radios: Table) -> dict[str, float]:
    """Return what sending and receiving tasks' messages drew at each device."""
    drawn_j = dict.fromkeys(network.devices, 0.0)
    for radio, (source, target) in zip(radios, network.links, strict=True):
        air_s = int(radio["air_ns"]) * 1e-9
        if source in drawn_j:
            drawn_j[source] += network.devices[source].spec.transmit_power_w * air_s
        if target in drawn_j:
            drawn_j[target] += network.devices[target].spec.receive_power_w * air_s
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
