"""Selection of the part of a scenario that is emulated in real time: policy, duration, tasks."""

from dataclasses import replace

from emulator.core.units import ns_from_s
from emulator.system import System
from topologies.profiles import profile_names
from topologies.schema.models import ModelSection
from topologies.schema.policies import label_of
from topologies.schema.scenario import Scenario

EMULATED_SUFFIX = "@emulated"  # suffix of a policy's label in the records of its emulation


def with_one_policy(scenario: Scenario, label: str | None) -> Scenario:
    """Return the scenario with one policy: that of the label, else of `realtime.policy`, else the first. Raises
    ValueError if there is no policy of that label."""
    wanted = label or scenario.realtime.policy or scenario.labels[0]
    if wanted not in scenario.labels:
        raise ValueError(f"--policy {wanted}: must be the label of a policy: {', '.join(scenario.labels)}")
    alone = tuple(each for each in scenario.policies if label_of(each) == wanted)
    realtime = scenario.realtime.model_copy(update={"policy": wanted})
    return scenario.model_copy(update={"policies": alone, "realtime": realtime, "hil": None})


def without_tasks(scenario: Scenario) -> Scenario:
    """Return the scenario without tasks, so that only its commands run."""
    return scenario.model_copy(update={"realtime": scenario.realtime.model_copy(update={"tasks": False})})


def emulated_system(scenario: Scenario, system: System) -> System:
    """Return the system cut to the emulated duration, on the same channels, and without its streams if no tasks
    run."""
    realtime = scenario.realtime
    duration_s = scenario.duration_s if realtime.duration_s is None else realtime.duration_s
    emulated = replace(system, duration_ns=min(system.duration_ns, ns_from_s(duration_s)))
    return emulated if realtime.tasks else replace(emulated, streams=(), placements={})


def require_no_failures(scenario: Scenario) -> None:
    """Raise ValueError if nodes or links fail, which they do in simulations alone."""
    if scenario.failures is not None:
        raise ValueError("failures: must not be given to emulate in real time: emulated links and hosts do not fail")


def require_no_energy(scenario: Scenario) -> None:
    """Raise ValueError if the cost counts the energy of tasks that run in real time, which is not measured."""
    weight = scenario.cost.energy_s_per_j
    if weight and scenario.realtime.tasks:
        rule = "must be 0 to emulate tasks in real time: their energy is not measured"
        raise ValueError(f"cost.energy_s_per_j={weight:g}: {rule}")


def require_layers(scenario: Scenario, system: System) -> None:
    """Raise ValueError for a task whose partitions cannot be computed for real: of a model that is known by its profile
    alone."""
    for index, task in enumerate(scenario.tasks):
        has_source = isinstance(scenario.models.get(task.model), ModelSection)
        if not has_source and system.kinds[task.name].model.name not in profile_names():
            raise ValueError(
                f"tasks[{index}].model={task.model}: must be a shipped model (airsplit models), or one with a source"
                " (package, folder, hub), since programs compute it; another one is simulated, or emulated with"
                " realtime.compute=held"
            )


def require_matching_bearers(scenario: Scenario) -> None:
    """Raise ValueError unless the bearers suit the transport of an emulation: TCP, used with a broker, needs
    acknowledged bearers; datagrams, used without one, need unacknowledged bearers."""
    datagrams = [f"links[{index}].bearer=um" for index, link in enumerate(scenario.links) if link.bearer == "um"]
    if not scenario.realtime.tasks:
        return
    if scenario.broker is None and not datagrams:
        raise ValueError("broker: must be given to emulate tasks, since acknowledged bearers carry MQTT")
    if scenario.broker is not None and datagrams:
        raise ValueError(f"{datagrams[0]}: must be am to emulate tasks by a broker; or leave broker out, for datagrams")
