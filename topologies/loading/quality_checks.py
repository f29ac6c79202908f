"""Rules for the quality of answers. Each yields its mistakes, `path=value: rule`."""

from collections.abc import Iterator

from emulator.activation.delivery import ActivationDelivery, parse_delivery
from emulator.quality import QualityTable
from topologies.loading.rule_input import RuleInput
from topologies.schema.workloads import TaskSection


def check_quality(given: RuleInput) -> Iterator[str]:
    """What `cost.quality_s` names are tasks, and their cuts, codecs and deliveries were measured."""
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
        if delivery is not None and delivery.recipe.protection.tokens and given.models[task.model].family == "vision":
            yield f"{path}.delivery={task.delivery}: must protect no tokens, since {task.model} takes images"
        if task.name not in scenario.cost.quality_s:
            if task.quality is not None:
                yield f"{path}.quality={task.quality}: must not be given unless cost.quality_s names {task.name}"
        elif loses and delivery is None:
            yield f"{path}.delivery: must be given, since a bearer is um and cost.quality_s names {task.name}"
        else:
            yield from _not_measured(path, task, delivery if loses else None, tables[task.name])


def _not_measured(
    path: str, task: TaskSection, delivery: ActivationDelivery | None, table: QualityTable
) -> Iterator[str]:
    for position, cut in enumerate(task.cuts or ()):
        if cut not in table.cuts:
            yield f"{path}.cuts[{position}]={cut}: must be one of {', '.join(map(str, table.cuts))}, where {_WAS}"
    for name in task.activation:
        if name not in table.codecs:
            yield f"{path}.activation={name}: must be one of {', '.join(table.codecs)}, with which {_WAS}"
    to_the_end = list(dict.fromkeys(row.delivery for row in table.rows if row.delivery and row.level == 1))
    if delivery is not None and str(delivery) not in to_the_end:
        known = ", ".join(sorted(to_the_end))
        yield f"{path}.delivery={task.delivery}: must be one of {known or 'none'}, for which {_WAS} up to a level of 1"


_WAS = "the quality was measured"
