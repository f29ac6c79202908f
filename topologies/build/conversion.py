"""Conversion of a scenario's sections to the emulator's types, except links and traces."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from emulator.activation.delivery import parse_delivery
from emulator.core.units import NS_PER_US, ns_from_ms, ns_from_s
from emulator.deadlines import NO_DEADLINE_NS
from emulator.profile import ModelProfile
from emulator.quality import QualityTable
from emulator.system import DeviceSpec, Failure, Node
from emulator.task import Placement, TaskKind
from topologies.build.azure_requests import read_azure
from topologies.build.candidates import candidates_of_all
from topologies.models.language.packages import SHIPPED
from topologies.models.language.profiles import cached_profile
from topologies.models.language.sources import settings_of
from topologies.profiles import load_profile
from topologies.quality.tables import as_table, quality_path, read_file
from topologies.schema.failures import OutageSection
from topologies.schema.messages import translate
from topologies.schema.models import ModelSection
from topologies.schema.nodes import DeviceSection
from topologies.schema.scenario import Scenario
from topologies.schema.workloads import RecordedFileSection, RecordedSection, TaskSection

BYTES_PER_KB = 1_000
BYTES_PER_MB = 1_000_000


def device_spec(device: DeviceSection) -> DeviceSpec:
    """Return a device in the emulator's units."""
    return DeviceSpec(
        compute_flops_per_s=device.compute_gflops * 1e9,
        memory_bytes=round(device.memory_mb * BYTES_PER_MB),
        memory_bytes_per_s=device.memory_gb_per_s * 1e9,
        load_bytes_per_s=device.load_mb_per_s * BYTES_PER_MB,
        layer_overhead_ns=round(device.layer_overhead_us * NS_PER_US),
        queue_tasks=device.queue_tasks,
        idle_power_w=device.idle_power_w,
        busy_power_w=device.busy_power_w,
        transmit_power_w=device.transmit_power_w,
        receive_power_w=device.receive_power_w,
    )


def nodes_of(scenario: Scenario) -> dict[str, Node]:
    """Return all nodes by name, copies included, in the file's order."""
    devices = {name: device_spec(device) for name, device in scenario.devices.items()}
    return {
        name: Node(name, node.role, devices[node.device] if node.device else None)
        for _, name, node in scenario.node_entries()
    }


def radio_ends(a: str, b: str, nodes: Mapping[str, Node]) -> tuple[str, str]:
    """Return the two ends of a radio link, its UE first."""
    return (a, b) if nodes[a].role == "ue" else (b, a)


def direction_name(source: str, target: str) -> str:
    """Return the name of one direction of a link; its trace is stored by this name."""
    return f"{source}-{target}"


def failures_of(scenario: Scenario) -> tuple[Failure, ...]:
    """Return the failures of a scenario, of the copies of a node or link one by one."""
    return tuple(
        replace(_failure(outage), **({"node": place} if isinstance(place, str) else {"link": place}))
        for _, place, outage in scenario.outage_entries()
    )


def _failure(outage: OutageSection) -> Failure:
    if outage.interval_s is not None:
        start_s, stop_s = outage.interval_s
        return Failure(outages=((ns_from_s(start_s), ns_from_s(stop_s)),))
    up_s, down_s = outage.means_s or (0.0, 0.0)
    return Failure(up_ns=max(1, ns_from_s(up_s)), down_ns=ns_from_s(down_s))


def profile_source(scenario: Scenario, model: str, folder: Path) -> str:
    """Return the profile of a task's model: the name of a shipped profile, or the path of a file.

    The profile of a language model in a folder or on the Hub is taken at the first call. Raises ValueError, one line,
    for one that cannot be used, MissingDependency for one that is out of reach.
    """
    source = scenario.models.get(model, model)
    if isinstance(source, ModelSection):
        return section_profile(model, source, folder)
    return str(folder / source) if source.endswith(".json") else source


def section_profile(model: str, section: ModelSection, folder: Path) -> str:
    """Return the profile of a model with a source of its own, as `profile_source`."""
    if section.profile is not None:
        return str(folder / section.profile)
    if section.seed is not None:
        return section.seed
    if section.package is not None and section.dtype == "fp32":
        return next(name for name, package in SHIPPED.items() if package == section.package)
    return str(cached_profile(model, settings_of(section, folder), section.dtype))


def profiles_of(scenario: Scenario, folder: Path) -> dict[str, ModelProfile]:
    """Return the profiles of all models that tasks name. Raises ValueError (one line) for a malformed profile, and for
    two different ones of the same name, by which devices know them."""
    profiles = {task.model: load_profile(profile_source(scenario, task.model, folder)) for task in scenario.tasks}
    named: dict[str, str] = {}
    for index, task in enumerate(scenario.tasks):
        name = profiles[task.model].name
        other = named.setdefault(name, task.model)
        if profiles[other] != profiles[task.model]:
            place = f"tasks[{index}].model={task.model}"
            raise ValueError(f"{place}: its profile must have a name of its own: {name} is that of {other}")
    return profiles


def kind_of(task: TaskSection, model: ModelProfile) -> TaskKind:
    """Return the common properties of the tasks of one name."""
    return TaskKind(
        name=task.name,
        model=model,
        input_bytes=round(task.input_kb * BYTES_PER_KB),
        result_bytes=round(task.result_kb * BYTES_PER_KB),
        codecs=task.activation,
        deadline_ns=ns_from_ms(task.deadline_ms),
        deadline_ttft_ns=_deadline_ns(task.deadline_ttft_ms),
        deadline_token_ns=_deadline_ns(task.deadline_token_ms),
        delivery=None if task.delivery is None else parse_delivery(task.delivery),
    )


def _deadline_ns(deadline_ms: float | None) -> int:
    return NO_DEADLINE_NS if deadline_ms is None else ns_from_ms(deadline_ms)


def quality_of(scenario: Scenario, models: Mapping[str, ModelProfile], folder: Path) -> dict[str, QualityTable]:
    """Return the quality tables of the tasks whose cost counts the quality of answers, by the task's name. Raises
    ValueError, one line, for a table that does not exist or is malformed."""
    found = {}
    for task in scenario.tasks:
        if task.name in scenario.cost.quality_s:
            found[task.name] = as_table(read_file(table_file(task, models[task.model], folder)))
    return found


def table_file(task: TaskSection, model: ModelProfile, folder: Path) -> Path:
    """Return the file of a task's quality table. Raises ValueError, one line, if there is none."""
    return quality_path(str(folder / task.quality) if task.quality else model.name)


def recorded_arrivals(section: RecordedSection, folder: Path) -> RecordedSection:
    """Return the section itself, or the contents of its file: a trace of requests, or JSON with the keys `arrival_ns`,
    `prompt_tokens`, `output_tokens`. Raises ValueError (one line) if the file is malformed."""
    if section.file is None:
        return section
    path = folder / section.file
    if section.format == "azure":
        return read_azure(path, section)
    try:
        return RecordedFileSection.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{path}: {translate(error, RecordedFileSection)[0].text}") from None


def placements_of(
    scenario: Scenario,
    nodes: Mapping[str, Node],
    models: Mapping[str, ModelProfile],
    quality: Mapping[str, QualityTable],
) -> dict[tuple[str, str], tuple[Placement, ...]]:
    """Return the candidate placements by (source, task name). Where the cost counts the quality of answers, a model is
    cut only where it was measured."""
    found: dict[tuple[str, str], tuple[Placement, ...]] = {}
    for task in scenario.tasks:
        model = models[task.model]
        cuts: Sequence[int] = range(1, len(model.layers)) if task.cuts is None else sorted(set(task.cuts))
        if task.cuts is None and task.name in quality:
            cuts = quality[task.name].cuts
        sources = scenario.names_of(task.sources)
        codecs = ("", *task.activation[1:])
        placements = candidates_of_all(sources, model, nodes, cuts, task.max_partitions, codecs)
        found |= {(source, task.name): each for source, each in placements.items()}
    return found
