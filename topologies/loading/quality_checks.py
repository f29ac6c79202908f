"""Rules for the quality of answers. Each yields its mistakes, `path=value: rule`."""

from collections.abc import Iterator

from emulator.activation.delivery import ActivationDelivery, parse_delivery
from emulator.profile import ModelProfile
from emulator.quality import QualityTable
from topologies.build.conversion import table_file
from topologies.loading.rule_input import RuleInput
from topologies.models.digests import source_digests, weights_sha256
from topologies.profiles import load_profile, profile_names
from topologies.quality.tables import read_file
from topologies.schema.policies import FixedSection
from topologies.schema.workloads import TaskSection


def check_quality(given: RuleInput) -> Iterator[str]:
    """What `cost.quality_s` names are tasks, whose tables are of their models and weights and whose cuts, codecs and
    deliveries were measured; deliveries lose packets."""
    scenario = given.scenario
    names = {task.name for task in scenario.tasks}
    for name, weight_s in scenario.cost.quality_s.items():
        if name not in names:
            yield f"cost.quality_s.{name}={weight_s:g}: must be the name of a task"
    try:
        tables = given.quality
    except ValueError as error:
        yield f"cost.quality_s: {error}"
        return
    loses = any(link.bearer == "um" for link in scenario.links)
    for index, task in enumerate(scenario.tasks):
        path = f"tasks[{index}]"
        try:
            delivery = None if task.delivery is None else parse_delivery(task.delivery)
        except ValueError as error:
            yield f"{path}.delivery={task.delivery}: {error}"
            continue
        if delivery is not None and delivery.harm.kind == "noise":
            yield f"{path}.delivery={task.delivery}: must be no noise: links carry packets, and lose some"
            continue
        if delivery is not None and delivery.recipe.protection.tokens and given.models[task.model].family == "vision":
            yield f"{path}.delivery={task.delivery}: must protect no tokens, since {task.model} takes images"
            continue
        if task.name not in scenario.cost.quality_s:
            if task.quality is not None:
                yield f"{path}.quality={task.quality}: must not be given unless cost.quality_s names {task.name}"
        elif loses and delivery is None:
            yield f"{path}.delivery: must be given, since a bearer is um and cost.quality_s names {task.name}"
        elif wrong := _wrong_table(given, task):
            yield f"{path}.quality={task.quality or tables[task.name].model}: {wrong}"
        else:
            yield from _not_measured(path, task, delivery if loses else None, tables[task.name])


def check_quality_of_fixed(given: RuleInput) -> Iterator[str]:
    """Fixed splits of tasks whose quality counts are at cuts that were measured."""
    for index, policy in enumerate(given.scenario.policies):
        for name, split in policy.splits.items() if isinstance(policy, FixedSection) else ():
            if name in given.quality and 0 < split.cut < len(_model_of(given, name).layers):
                cuts = given.quality[name].cuts
                if split.cut not in cuts:
                    known = ", ".join(map(str, cuts))
                    yield f"policies[{index}].splits.{name}.cut={split.cut}: must be one of {known}, where {_WAS}"


def _model_of(given: RuleInput, name: str) -> ModelProfile:
    return next(given.models[task.model] for task in given.scenario.tasks if task.name == name)


def _wrong_table(given: RuleInput, task: TaskSection) -> str:
    """Return why a task's table cannot be of its model; empty if it can: models of one architecture may have different
    names."""
    model, table = given.models[task.model], given.quality[task.name]
    if (table.unit == "nats a token") != (model.family == "causal_lm"):
        return f"must be measured on a {model.family} model, not in the unit {table.unit}"
    if table.model in profile_names() and _sizes(load_profile(table.model)) != _sizes(model):
        return f"must be measured on a model with the layers of {model.name}, not on {table.model}"
    if table.cuts[-1] >= len(model.layers):
        return f"must be measured on {model.name}: cut {table.cuts[-1]} lies behind its {len(model.layers)} layers"
    return _other_weights(given, task)


def _other_weights(given: RuleInput, task: TaskSection) -> str:
    """Return why a table is of other weights than those of the task's model; empty if it is not, and for a model whose
    weights are not trained or not known."""
    try:
        files = source_digests(given.scenario.models.get(task.model, task.model), given.folder)
    except ValueError as error:
        return str(error)
    measured = read_file(table_file(task, given.models[task.model], given.folder)).measured_on.weights_sha256
    if not files or weights_sha256(files) == measured:
        return ""
    return f"must be measured on the weights of {task.model} (weights_sha256={weights_sha256(files)}), not {measured}"


def _sizes(model: ModelProfile) -> list[int]:
    return [layer.activation_elements for layer in model.layers]


def _not_measured(
    path: str, task: TaskSection, delivery: ActivationDelivery | None, table: QualityTable
) -> Iterator[str]:
    for position, cut in enumerate(task.cuts or ()):
        if cut not in table.cuts:
            yield f"{path}.cuts[{position}]={cut}: must be one of {', '.join(map(str, table.cuts))}, where {_WAS}"
    for name in task.activation:
        if name not in table.codecs:
            yield f"{path}.activation={name}: must be one of {', '.join(table.codecs)}, with which {_WAS}"
    to_the_end = {row.delivery for row in table.rows if row.delivery and row.level == 1}
    if delivery is not None and str(delivery) not in to_the_end:
        known = ", ".join(sorted(each for each in to_the_end if parse_delivery(each).harm.kind != "noise"))
        yield f"{path}.delivery={task.delivery}: must be one of {known or 'none'}, for which {_WAS} up to a level of 1"


_WAS = "the quality was measured"
