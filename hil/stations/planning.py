"""Make the schedule of the stations from a system and its placed tasks."""

from collections.abc import Iterable, Iterator, Mapping

from emulator.activation.concealment import Calibration
from emulator.activation.delivery import ActivationDelivery
from emulator.core.units import ns_from_s
from emulator.legs import legs, plan_legs
from emulator.policy import Decision
from emulator.simulation.network import Network
from emulator.system import System
from emulator.task import Placement, Task, check_placement
from hil.mqtt.address import Address
from hil.stations.schedule import (
    SCHEDULE_VERSION,
    Computer,
    Schedule,
    StationCompute,
    StationCut,
    StationDelivery,
    StationJob,
    StationModel,
    StationPlan,
)
from hil.task_inputs import input_image, input_prompt, input_seed, require_images

WEIGHTS_SEED = 0  # untrained weights take as long as any


def make_schedule(
    system: System,
    placed: Iterable[Decision | tuple[Task, Placement]],
    addresses: Mapping[str, Address],
    broker: Address | None = None,
    compute: StationCompute = "measured",
    models: Mapping[str, StationModel] | None = None,
    calibrations: Mapping[str, Mapping[int, Calibration]] | None = None,
) -> Schedule:
    """Return the schedule of these tasks. Service times and the weights loaded at the start are those of the
    simulation's devices. `models`: those that are not shipped, by name. `calibrations`: by kind and cut, of kinds whose
    delivery needs them.

    `addresses` holds the datagram address of each node that is a source or computes. Raises ValueError for a placement
    that does not cover its model or names a node without a device or an address, and if there is neither a broker nor
    a link that carries datagrams, and for a cut whose calibration is needed and not given;
    MissingDependency without a data set whose images the stations compute on.
    """
    if broker is None and not any(link.bearer == "um" for link in system.links):
        raise ValueError("broker: must be given where no link has the bearer um: acknowledged bearers carry MQTT")
    if compute == "measured":
        require_images(system)
    network = Network(system)
    plans: dict[StationPlan, int] = {}
    jobs = []
    for task, placement, decision_ns in (Decision(*each) for each in placed):
        plan = _plan(network, task, placement)
        number = plans.setdefault(plan, len(plans))
        visits = [leg for leg in legs(task, placement) if leg.passes]
        jobs.append(
            StationJob(
                number,
                task.number,
                task.arrival_ns,
                task.prompt_tokens,
                task.output_tokens,
                input_seed(system, task),
                tuple(network.service_ns(task, leg) for leg in visits),
                next((known for leg in visits if (known := network.first_token_ns(task, leg)) is not None), None),
                input_prompt(system, task),
                input_image(system, task),
                decision_ns,
            )
        )
    weight_bytes = {name: tuple(layer.weight_bytes for layer in model.layers) for name, model in system.models.items()}
    computing = {partition.node for plan in plans for partition in plan.placement}
    computers = {name: _computer(network, name) for name in sorted(computing)}
    return Schedule(
        SCHEDULE_VERSION,
        WEIGHTS_SEED,
        broker,
        dict(addresses),
        computers,
        weight_bytes,
        tuple(plans),
        tuple(jobs),
        ns_from_s(system.cost.failure_s),
        compute,
        models or {},
        dict(_deliveries(system, plans, calibrations or {})),
    )


def _plan(network: Network, task: Task, placement: Placement) -> StationPlan:
    kind, model = task.kind, task.kind.model
    check_placement(placement, kind)
    for node, *_ in placement:
        if node not in network.devices:
            raise ValueError(f"placement on {node}: must be a node that has a device")
    return StationPlan(
        task.source,
        kind.name,
        model.name,
        model.family == "causal_lm",
        kind.deadline_ns,
        kind.deadline_ttft_ns,
        kind.deadline_token_ns,
        placement,
        plan_legs(kind, task.source, placement),
    )


def _deliveries(
    system: System, plans: Iterable[StationPlan], calibrations: Mapping[str, Mapping[int, Calibration]]
) -> Iterator[tuple[str, StationDelivery]]:
    """Yield the delivery of each kind that has one, with the cuts of its plans."""
    cuts: dict[str, set[int]] = {}
    for plan in plans:
        cuts.setdefault(plan.kind, set()).update(partition.first for partition in plan.placement[1:])
    for name, used in cuts.items():
        kind = system.kinds[name]
        if kind.delivery is not None:
            known = {
                cut: _cut(
                    f"{name}: cut {cut}",
                    kind.delivery,
                    kind.model.layers[cut - 1].activation_elements,
                    calibrations.get(name, {}).get(cut),
                )
                for cut in sorted(used)
            }
            yield name, StationDelivery(str(kind.delivery), known)


def _cut(path: str, delivery: ActivationDelivery, elements: int, calibration: Calibration | None) -> StationCut:
    recipe = delivery.recipe
    if not recipe.needs_calibration:
        return StationCut(elements)
    if calibration is None or len(calibration.means) != elements:
        raise ValueError(f"{path}: {delivery}: needs the calibration of this cut, made by `airsplit quality`")
    order = calibration.energy_order[: recipe.protection.dimensions]
    return StationCut(elements, tuple(calibration.means.tolist()), tuple(order.tolist()))


def _computer(network: Network, name: str) -> Computer:
    """Return a device's state before the first task."""
    device = network.devices[name]
    last_use = network.device_tables.tables.last_use[device.index].tolist()
    resident = []
    for model, first in network.device_tables.first_layer.items():
        layers = len(network.system.models[model].layers)
        resident += [(last_use[first + index], model, index) for index in range(layers) if last_use[first + index]]
    spec = device.spec
    return Computer(
        spec.memory_bytes,
        spec.load_bytes_per_s,
        spec.queue_tasks,
        tuple((model, index) for _, model, index in sorted(resident)),
    )
