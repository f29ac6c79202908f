"""Checks over several sections of a scenario. Each raises ValueError (one line)."""

import os
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from emulator.profile import ModelProfile
from emulator.system import Node
from topologies.build.candidates import split
from topologies.build.conversion import (
    BYTES_PER_MB,
    nodes_of,
    placements_of,
    profile_source,
    profiles_of,
    recorded_arrivals,
)
from topologies.loading.cell_checks import check_cells, check_links_of_cells
from topologies.loading.link_checks import check_cells_of_a_ue, check_routes_of_sources
from topologies.loading.realtime_checks import check_realtime, check_switches
from topologies.profiles import profile_names
from topologies.schema.base import TEMPLATE
from topologies.schema.links import LinkSection, TraceFileSection
from topologies.schema.messages import short
from topologies.schema.scenario import ALL, FixedSection, LearnedSection, ReplaySection, Scenario
from topologies.schema.workloads import TaskSection

# Settings of learned policies by their former names; the present names are CleanRL's.
RENAMED_SETTINGS: Mapping[str, str] = {
    "total_steps": "total_timesteps",
    "environments": "num_envs",
    "rollout_steps": "num_steps",
    "epochs": "update_epochs",
    "minibatches": "num_minibatches",
    "clip": "clip_coef",
    "entropy_weight": "ent_coef",
    "value_weight": "vf_coef",
    "gradient_norm": "max_grad_norm",
}


def check(scenario: Scenario, folder: Path) -> None:
    """Raise ValueError, `path=value: message`, for the first error in the scenario. Relative paths start from
    `folder`."""
    _check_nodes(scenario)
    check_cells(scenario)
    for index, link in enumerate(scenario.links):
        _check_ends(scenario, f"links[{index}]", link)
    check_links_of_cells(scenario)
    _check_graph(scenario)
    _check_references(scenario)
    _check_failures(scenario)
    _check_setting_names(scenario)
    check_switches(scenario)
    check_realtime(scenario)
    _check_files(scenario, folder)
    models = profiles_of(scenario, folder)
    for index, task in enumerate(scenario.tasks):
        _check_task(scenario, f"tasks[{index}]", task, models[task.model], folder)
    check_routes_of_sources(scenario)
    check_cells_of_a_ue(scenario)
    _check_erasures(scenario)
    nodes = nodes_of(scenario)
    _check_memory(scenario, nodes, models)
    _check_hil(scenario, nodes)
    _check_training(scenario, folder)


def _check_nodes(scenario: Scenario) -> None:
    seen: set[str] = set()
    for index, name, node in scenario.node_entries():
        if name in seen or name == ALL:
            raise ValueError(f"nodes[{index}].name={name}: must be given once, and not be {ALL!r}")
        seen.add(name)
        if node.device is not None and node.device not in scenario.devices:
            raise ValueError(f"nodes[{index}].device={node.device}: must be one of {_list(scenario.devices)}")


def _check_ends(scenario: Scenario, path: str, link: LinkSection) -> None:
    entries = {node.name: node for node in scenario.nodes}
    roles = {name: node.role for _, name, node in scenario.node_entries()}
    roles |= {name: node.role for name, node in entries.items()}
    a, b = link.between
    for position, end in enumerate(link.between):
        if end not in roles:
            raise ValueError(f"{path}.between[{position}]={end}: must be the name of a node")
    if a == b:
        raise ValueError(f"{path}.between=[{a}, {b}]: must join two different nodes")
    counts = [entries[end].count for end in link.between if TEMPLATE in end]
    if len(counts) == 2 and counts[0] != counts[1]:
        raise ValueError(f"{path}.between=[{a}, {b}]: must have ends with the same count")
    if link.over_the_air and [roles[a], roles[b]].count("ue") != 1:
        raise ValueError(f"{path}.between=[{a}, {b}]: a link over the air must have one UE at its end")


def _check_graph(scenario: Scenario) -> None:
    neighbours: dict[str, set[str]] = defaultdict(set)
    for index, a, b, _ in scenario.link_entries():
        if b in neighbours[a]:
            raise ValueError(f"links[{index}].between=[{a}, {b}]: must be the only link of the two")
        neighbours[a].add(b)
        neighbours[b].add(a)
    start = scenario.nodes[0].names[0]
    reached, frontier = {start}, deque([start])
    while frontier:
        new = neighbours[frontier.popleft()] - reached
        reached |= new
        frontier.extend(new)
    for index, name, _ in scenario.node_entries():
        if name not in reached:
            raise ValueError(f"nodes[{index}].name={name}: must be reachable from {start} by links")


def _check_references(scenario: Scenario) -> None:
    names = {name for _, name, _ in scenario.node_entries()}
    if scenario.control.node not in names:
        raise ValueError(f"control.node={scenario.control.node}: must be the name of a node")
    if scenario.broker is not None and scenario.broker not in names:
        raise ValueError(f"broker={scenario.broker}: must be the name of a node")
    _check_unique("tasks", "name", [task.name for task in scenario.tasks])
    _check_unique("policies", "label", scenario.labels)
    longest_s = max(task.deadline_ms for task in scenario.tasks) / 1_000
    if scenario.cost.failure_s < longest_s:
        raise ValueError(
            f"cost.failure_s={scenario.cost.failure_s:g}: must be at least the longest deadline, {longest_s:g} s"
        )


def _check_unique(section: str, key: str, values: Sequence[str]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f"{section}[{index}].{key}={value}: must be given once")


def _check_failures(scenario: Scenario) -> None:
    places: set[str | tuple[str, str]] = {name for _, name, _ in scenario.node_entries()}
    places |= {(a, b) for _, a, b, _ in scenario.link_entries()}
    drawn: set[str | tuple[str, str]] = set()
    for index, place, outage in scenario.outage_entries():
        key, value = ("node", place) if isinstance(place, str) else ("link", f"[{', '.join(place)}]")
        path = f"failures.outages[{index}].{key}={value}"
        if place not in places:
            raise ValueError(f"{path}: must be {'the name of a node' if key == 'node' else 'the two ends of a link'}")
        if outage.means_s is not None:
            if place in drawn:
                raise ValueError(f"{path}: must have mean times in one entry only")
            drawn.add(place)


def _check_setting_names(scenario: Scenario) -> None:
    for index, policy in enumerate(scenario.policies):
        for name, value in policy.settings.items() if isinstance(policy, LearnedSection) else ():
            if name in RENAMED_SETTINGS:
                place = f"policies[{index}].settings.{name}={short(value)}"
                raise ValueError(f"{place}: was renamed to {RENAMED_SETTINGS[name]}")


def trace_files(scenario: Scenario) -> Iterator[tuple[str, TraceFileSection]]:
    """Yield (path of the section, section) of every recorded trace; of the copies of a link those of other files."""
    seen: set[tuple[str, str]] = set()
    for index, _, _, link in scenario.link_entries():
        for name, direction in link.directions.items():
            path = f"links[{index}].{name}.trace"
            if direction.trace is not None and (path, direction.trace.file) not in seen:
                seen.add((path, direction.trace.file))
                yield path, direction.trace


def track_files(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Yield (path of the key, file) of every recorded track."""
    radios = ((index, link.radio) for index, _, _, link in scenario.link_entries())
    named = ((f"links[{index}].radio.track", radio.track) for index, radio in radios if radio is not None)
    yield from dict.fromkeys((path, file) for path, file in named if file is not None)


def named_files(scenario: Scenario, folder: Path) -> list[tuple[str, str]]:
    """Return (path of the key, file) of every file that the scenario names. Relative paths start from `folder`."""
    files = [(f"{path}.file", trace.file) for path, trace in trace_files(scenario)]
    files += list(track_files(scenario))
    for index, task in enumerate(scenario.tasks):
        if task.arrivals.recorded is not None and task.arrivals.recorded.file is not None:
            files.append((f"tasks[{index}].arrivals.recorded.file", task.arrivals.recorded.file))
        source = profile_source(scenario, task.model, folder)
        if source.endswith(".json"):
            files.append((f"models.{task.model}", source))
    for index, policy in enumerate(scenario.policies):
        if isinstance(policy, LearnedSection) and policy.checkpoint is not None:
            files.append((f"policies[{index}].checkpoint", policy.checkpoint))
        if isinstance(policy, ReplaySection):
            files.append((f"policies[{index}].file", policy.file))
    return files


def _check_files(scenario: Scenario, folder: Path) -> None:
    for index, task in enumerate(scenario.tasks):
        source = profile_source(scenario, task.model, folder)
        if not source.endswith(".json") and source not in profile_names():
            path = f"models.{task.model}" if task.model in scenario.models else f"tasks[{index}].model"
            raise ValueError(f"{path}={source}: must be one of {_list(profile_names())}, or stand under models")
    for path, file in named_files(scenario, folder):
        os.fsencode(folder / file)  # raises UnicodeEncodeError where the environment lacks the name's letters
        if not (folder / file).is_file():
            raise ValueError(f"{path}={file}: must be an existing file")


def _check_task(scenario: Scenario, path: str, task: TaskSection, model: ModelProfile, folder: Path) -> None:
    roles = {name: node.role for _, name, node in scenario.node_entries()}
    sources = scenario.names_of(task.sources)
    for source in sources:
        if roles.get(source) != "ue":
            raise ValueError(f"{path}.sources={source}: must be the name of a UE, or {ALL!r}")
    if not sources:
        raise ValueError(f"{path}.sources={ALL}: there must be a UE")
    recorded = None if task.arrivals.recorded is None else recorded_arrivals(task.arrivals.recorded, folder)
    has_lengths = task.tokens is not None or (recorded is not None and bool(recorded.prompt_tokens))
    if model.family == "causal_lm" and not has_lengths:
        raise ValueError(f"{path}.tokens: must be given, since {task.model} is a language model")
    if model.family == "vision" and task.tokens is not None:
        raise ValueError(f"{path}.tokens: must not be given, since {task.model} is no language model")
    if model.family == "vision" and task.input_kb == 0:
        raise ValueError(f"{path}.input_kb=0: must be above 0, since {task.model} takes images")
    for position, cut in enumerate(task.cuts or ()):
        if cut >= len(model.layers):
            raise ValueError(f"{path}.cuts[{position}]={cut}: must lie before the last of {len(model.layers)} layers")
    if task.transport == "udp":
        return
    served = set(sources)
    for index, a, b, link in scenario.link_entries():
        used = a in served or b in served or "ue" not in (roles[a], roles[b])
        if link.bearer == "um" and used:
            raise ValueError(
                f"links[{index}].bearer=um: must be am, since {task.transport} of {path} needs acknowledged bearers"
            )


def _check_erasures(scenario: Scenario) -> None:
    """Check that the cost of an erased activation is given if a bearer can lose activations."""
    for index, link in enumerate(scenario.links):
        if link.bearer == "um" and scenario.cost.erasure_s == 0:
            raise ValueError(f"cost.erasure_s=0: must be above 0, since links[{index}].bearer=um loses activations")


def _check_memory(scenario: Scenario, nodes: Mapping[str, Node], models: Mapping[str, ModelProfile]) -> None:
    found = placements_of(scenario, nodes, models)
    for index, task in enumerate(scenario.tasks):
        for source in scenario.names_of(task.sources):
            if not found[source, task.name]:
                raise ValueError(
                    f"tasks[{index}].model={task.model}: its weights must fit the memory of some nodes"
                    f" in at most {task.max_partitions} partitions, for {source}"
                )
    for index, policy in enumerate(scenario.policies):
        if isinstance(policy, FixedSection):
            _check_fixed(scenario, f"policies[{index}].splits", policy, nodes, models)


def _check_fixed(
    scenario: Scenario, path: str, policy: FixedSection, nodes: Mapping[str, Node], models: Mapping[str, ModelProfile]
) -> None:
    tasks = {task.name: task for task in scenario.tasks}
    for name in policy.splits:
        if name not in tasks:
            raise ValueError(f"{path}.{name}: must be the name of a task")
    for name, task in tasks.items():
        if name not in policy.splits:
            raise ValueError(f"{path}: must say where {name} is split")
        cut, node = policy.splits[name].cut, policy.splits[name].node
        model = models[task.model]
        if node not in nodes or nodes[node].device is None or nodes[node].role == "ue":
            raise ValueError(f"{path}.{name}.node={node}: must be a node with a device, and no UE")
        if cut > len(model.layers):
            raise ValueError(f"{path}.{name}.cut={cut}: must be at most the {len(model.layers)} layers of {task.model}")
        for source in scenario.names_of(task.sources):
            for host, first, stop in split(source, node, cut, len(model.layers)):
                device = nodes[host].device
                memory_bytes = device.memory_bytes if device else 0
                if model.weight_bytes(first, stop) > memory_bytes:
                    raise ValueError(
                        f"{path}.{name}.cut={cut}: {model.weight_bytes(first, stop) / BYTES_PER_MB:.0f} MB of weights"
                        f" must fit the {memory_bytes / BYTES_PER_MB:.0f} MB of {host}"
                    )


def _check_hil(scenario: Scenario, nodes: Mapping[str, Node]) -> None:
    if scenario.hil is None:
        return
    owner: dict[str, str] = {}
    for worker, entry in scenario.hil.workers.items():
        for name in scenario.names_of(entry.nodes):
            if name not in nodes or nodes[name].device is None:
                raise ValueError(f"hil.workers.{worker}.nodes={name}: must be a node with a device")
            if name in owner:
                raise ValueError(f"hil.workers.{worker}.nodes={name}: must not be of {owner[name]} as well")
            owner[name] = worker
    for name, node in nodes.items():
        if node.device is not None and name not in owner:
            raise ValueError(f"hil.workers: must have one for {name}")
    for index, label in enumerate(scenario.hil.policies):
        if label not in scenario.labels:
            raise ValueError(f"hil.policies[{index}]={label}: must be the label of a policy: {_list(scenario.labels)}")


def _check_training(scenario: Scenario, folder: Path) -> None:
    """Check that no part of a recording is used both for training and for the run, by any links."""
    recordings = list(trace_files(scenario))
    for index, policy in enumerate(scenario.policies):
        if isinstance(policy, LearnedSection) and policy.checkpoint is None:
            for path, trace in recordings:
                if trace.training_interval_s is None:
                    raise ValueError(f"{path}.training_interval_s: must be given, since policies[{index}] is trained")
    for path, trained in recordings:
        for _, tested in recordings:
            if trained.training_interval_s is None or (folder / trained.file) != (folder / tested.file):
                continue
            start_s, stop_s = tested.interval_s or (0.0, float("inf"))
            if trained.training_interval_s[0] < stop_s and start_s < trained.training_interval_s[1]:
                given = f"[{trained.training_interval_s[0]:g}, {trained.training_interval_s[1]:g}]"
                raise ValueError(
                    f"{path}.training_interval_s={given}: must not overlap with what a link replays of the recording"
                )


def _list(names: Mapping[str, object] | Sequence[str]) -> str:
    return ", ".join(names)
