"""What of a scenario is emulated in real time: one policy, the first so many seconds, with tasks or without."""

from dataclasses import replace

from emulator.system import System
from emulator.core.units import ns_from_s
from topologies.schema.scenario import Scenario, label_of

EMULATED_SUFFIX = "@emulated"  # at the end of the label of a policy whose placements were carried out with real packets


def for_one_policy(scenario: Scenario, label: str | None) -> Scenario:
    """The scenario with the policy of that label alone: without one, that of `realtime.policy`, or the first. Raises
    ValueError where the scenario has none of that label."""
    wanted = label or scenario.realtime.policy or scenario.labels[0]
    if wanted not in scenario.labels:
        raise ValueError(f"--policy {wanted}: must be the label of a policy: {', '.join(scenario.labels)}")
    alone = tuple(each for each in scenario.policies if label_of(each) == wanted)
    realtime = scenario.realtime.model_copy(update={"policy": wanted})
    return scenario.model_copy(update={"policies": alone, "realtime": realtime, "hil": None})


def without_tasks(scenario: Scenario) -> Scenario:
    """The scenario with nothing to do but its commands."""
    return scenario.model_copy(update={"realtime": scenario.realtime.model_copy(update={"tasks": False})})


def emulated_part(scenario: Scenario, system: System) -> System:
    """The system for as long as the scenario is emulated, on the same channels; without its streams where no task
    is to run."""
    realtime = scenario.realtime
    duration_s = scenario.duration_s if realtime.duration_s is None else realtime.duration_s
    part = replace(system, duration_ns=min(system.duration_ns, ns_from_s(duration_s)))
    return part if realtime.tasks else replace(part, streams=(), placements={})


def require_carrier(scenario: Scenario) -> None:
    """Raise ValueError for a scenario whose tasks' messages cannot be carried in real time: by a broker they take TCP,
    which needs acknowledged bearers, and without one they are datagrams, which need the others."""
    datagrams = [f"links[{index}].bearer=um" for index, link in enumerate(scenario.links) if link.bearer == "um"]
    if not scenario.realtime.tasks:
        return
    if scenario.broker is None and not datagrams:
        raise ValueError("broker: must be given to emulate tasks, since acknowledged bearers carry MQTT")
    if scenario.broker is not None and datagrams:
        raise ValueError(f"{datagrams[0]}: must be am to emulate tasks by a broker; or leave broker out, for datagrams")
