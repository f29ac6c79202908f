"""Rules for tasks, policies and workers. Each yields its mistakes, `path=value: rule`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from emulator.profile import ModelProfile
from topologies.build.candidates import split
from topologies.build.conversion import BYTES_PER_MB, placements_of, recorded_arrivals
from topologies.build.images import images_of
from topologies.build.prompts import prompt_tokens
from topologies.datasets.image_folder import require_image
from topologies.datasets.task_images import shape_of
from topologies.loading.rule_input import RuleInput, first_of_entries
from topologies.schema.messages import short
from topologies.schema.policies import FixedSection, LearnedSection
from topologies.schema.scenario import ALL
from topologies.schema.workloads import ImagesSection, TaskSection

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


def check_setting_names(given: RuleInput) -> Iterator[str]:
    """Settings of learned policies have their present names."""
    for index, policy in enumerate(given.scenario.policies):
        for name, value in policy.settings.items() if isinstance(policy, LearnedSection) else ():
            if name in RENAMED_SETTINGS:
                yield f"policies[{index}].settings.{name}={short(value)}: was renamed to {RENAMED_SETTINGS[name]}"


def check_tasks(given: RuleInput) -> Iterator[str]:
    """Sources are UEs; input, tokens and cuts suit the model; bearers suit the transport."""
    for index, task in enumerate(given.scenario.tasks):
        path = f"tasks[{index}]"
        yield from _check_sources(given, path, task)
        yield from _check_model(given, path, task)
    yield from first_of_entries(_wrong_bearers(given))


def _check_sources(given: RuleInput, path: str, task: TaskSection) -> Iterator[str]:
    ues = {name for _, name, node in given.scenario.node_entries() if node.role == "ue"}
    sources = given.scenario.names_of(task.sources)
    for source in sources:
        if source not in ues:
            yield f"{path}.sources={source}: must be the name of a UE, or {ALL!r}"
    if not sources:
        yield f"{path}.sources={ALL}: there must be a UE"


def _check_model(given: RuleInput, path: str, task: TaskSection) -> Iterator[str]:
    model = given.models[task.model]
    recorded = None if task.arrivals.recorded is None else recorded_arrivals(task.arrivals.recorded, given.folder)
    has_lengths = task.tokens is not None or (recorded is not None and bool(recorded.prompt_tokens))
    if model.family == "causal_lm" and not has_lengths:
        yield f"{path}.tokens: must be given, since {task.model} is a language model"
    if model.family == "vision" and task.tokens is not None:
        yield f"{path}.tokens: must not be given, since {task.model} is no language model"
    yield from _check_prompts(given, path, task, recorded is not None and bool(recorded.prompt_tokens))
    if task.images is not None:
        yield from _check_images(f"{path}.images", task.images, given.folder, task.model, model)
    for name in ("deadline_ttft_ms", "deadline_token_ms"):
        if model.family == "vision" and getattr(task, name) is not None:
            yield f"{path}.{name}: must not be given, since {task.model} is no language model"
    if model.family == "vision" and task.input_kb == 0:
        yield f"{path}.input_kb=0: must be above 0, since {task.model} takes images"
    for position, codec in enumerate(task.activation):
        if codec in task.activation[:position]:
            yield f"{path}.activation[{position}]={codec}: must be named once"
    for position, cut in enumerate(task.cuts or ()):
        if cut >= len(model.layers):
            yield f"{path}.cuts[{position}]={cut}: must lie before the last of {len(model.layers)} layers"


def _check_images(path: str, section: ImagesSection, folder: Path, name: str, model: ModelProfile) -> Iterator[str]:
    key = f"dataset={section.dataset}" if section.folder is None else f"folder={section.folder}"
    if model.family != "vision":
        yield f"{path}: must not be given, since {name} takes no images"
    elif (shape := shape_of(section.dataset, model.input_shape)) != model.input_shape:
        have, takes = ("x".join(map(str, each)) for each in (shape, model.input_shape))
        yield f"{path}.{key}: must suit {name}: the images are {have}, it takes {takes}"
    else:
        try:
            for file in images_of(section, folder).files:
                require_image(Path(file))
        except ValueError as error:
            yield f"{path}.{key}: {error}"


def _check_prompts(given: RuleInput, path: str, task: TaskSection, has_recorded_lengths: bool) -> Iterator[str]:
    """A prompt has one length: that of its text, a recorded one, or a drawn one."""
    mean = None if task.tokens is None else task.tokens.prompt_mean
    if task.prompts is None:
        if task.tokens is not None and mean is None:
            yield f"{path}.tokens.prompt_mean: must be given without prompts"
        return
    if task.tokens is None:
        yield f"{path}.tokens: must be given with prompts"
    elif mean is not None:
        yield f"{path}.tokens.prompt_mean={mean}: must not be given, since prompts have their own lengths"
    elif has_recorded_lengths:
        yield f"{path}.prompts: must not be given, since recorded arrivals have lengths"
    else:
        try:
            if not prompt_tokens(given.scenario, task, given.folder):
                yield f"{path}.prompts: must have a token"
        except ValueError as error:
            yield f"{path}.prompts: {error}"


def _wrong_bearers(given: RuleInput) -> Iterator[tuple[int, str]]:
    """Yield (index of the link, mistake) where a task's transport needs another bearer."""
    scenario = given.scenario
    roles = {name: node.role for _, name, node in scenario.node_entries()}
    for number, task in enumerate(scenario.tasks):
        served = set(scenario.names_of(task.sources))
        for index, a, b, link in scenario.link_entries():
            used = a in served or b in served or "ue" not in (roles[a], roles[b])
            if task.transport != "udp" and link.bearer == "um" and used:
                needs = f"{task.transport} of tasks[{number}] needs acknowledged bearers"
                yield index, f"links[{index}].bearer=um: must be am, since {needs}"


def check_memory(given: RuleInput) -> Iterator[str]:
    """Each task has a placement whose weights fit the memory, for each source."""
    found = placements_of(given.scenario, given.nodes, given.models, given.quality)
    yield from first_of_entries(
        (
            index,
            f"tasks[{index}].model={task.model}: its weights must fit the memory of some nodes"
            f" in at most {task.max_partitions} partitions, for {source}",
        )
        for index, task in enumerate(given.scenario.tasks)
        for source in given.scenario.names_of(task.sources)
        if not found[source, task.name]
    )


def check_fixed(given: RuleInput) -> Iterator[str]:
    """Fixed splits are of all tasks and no others, and each part fits its node."""
    tasks = {task.name: task for task in given.scenario.tasks}
    for index, policy in enumerate(given.scenario.policies):
        if isinstance(policy, FixedSection):
            path = f"policies[{index}].splits"
            for name in policy.splits:
                if name not in tasks:
                    yield f"{path}.{name}: must be the name of a task"
            for name, task in tasks.items():
                if name not in policy.splits:
                    yield f"{path}: must say where {name} is split"
                else:
                    yield from _check_split(given, f"{path}.{name}", policy, task)


def _check_split(given: RuleInput, path: str, policy: FixedSection, task: TaskSection) -> Iterator[str]:
    cut, node, codec = policy.splits[task.name].cut, policy.splits[task.name].node, policy.splits[task.name].codec
    model, nodes = given.models[task.model], given.nodes
    is_server = node in nodes and nodes[node].device is not None and nodes[node].role != "ue"
    if not is_server:
        yield f"{path}.node={node}: must be a node with a device, and no UE"
    if codec is not None and codec not in task.activation:
        yield f"{path}.codec={codec}: must be one of the task's activation: {', '.join(task.activation)}"
    elif codec is not None and not 0 < cut < len(model.layers):
        yield f"{path}.codec={codec}: must not be given, since no activation is sent"
    if cut > len(model.layers):
        yield f"{path}.cut={cut}: must be at most the {len(model.layers)} layers of {task.model}"
    elif is_server:
        for source in given.scenario.names_of(task.sources):
            for host, first, stop, _ in split(source, node, cut, len(model.layers)):
                device = nodes[host].device
                memory_bytes = device.memory_bytes if device else 0
                if model.weight_bytes(first, stop) > memory_bytes:
                    weights_mb, memory_mb = model.weight_bytes(first, stop) / BYTES_PER_MB, memory_bytes / BYTES_PER_MB
                    yield f"{path}.cut={cut}: {weights_mb:.0f} MB of weights must fit the {memory_mb:.0f} MB of {host}"
                    return


def check_workers(given: RuleInput) -> Iterator[str]:
    """Each node with a device has one worker."""
    scenario = given.scenario
    if scenario.hil is None:
        return
    owner: dict[str, str] = {}
    unknown = False
    for worker, entry in scenario.hil.workers.items():
        for name in scenario.names_of(entry.nodes):
            path = f"hil.workers.{worker}.nodes={name}"
            if name not in given.nodes or given.nodes[name].device is None:
                unknown = True
                yield f"{path}: must be a node with a device"
            elif name in owner:
                yield f"{path}: must not be of {owner[name]} as well"
            owner.setdefault(name, worker)
    missing = [name for name, node in given.nodes.items() if node.device is not None and name not in owner]
    if missing and not unknown:
        yield f"hil.workers: must have one for {', '.join(missing)}"


def check_worker_policies(given: RuleInput) -> Iterator[str]:
    """The policies to run on workers exist."""
    labels = given.scenario.labels
    for index, label in enumerate(given.scenario.hil.policies if given.scenario.hil else ()):
        if label not in labels:
            yield f"hil.policies[{index}]={label}: must be the label of a policy: {', '.join(labels)}"
