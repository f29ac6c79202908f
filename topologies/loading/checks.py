"""The rules over several sections of a scenario."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from topologies.loading import (
    cell_checks,
    file_checks,
    graph_checks,
    link_checks,
    quality_checks,
    realtime_checks,
    task_checks,
)
from topologies.loading.rule_input import RuleInput
from topologies.schema.scenario import Scenario

Rule = Callable[[RuleInput], Iterable[str]]

# Each rule with those that it presumes. It yields a mistake as `path=value: rule`.
RULES: Mapping[Rule, tuple[Rule, ...]] = {
    graph_checks.check_nodes: (),
    graph_checks.check_ends: (),
    graph_checks.check_references: (),
    graph_checks.check_graph: (graph_checks.check_nodes, graph_checks.check_ends),
    graph_checks.check_failures: (graph_checks.check_ends,),
    graph_checks.check_erasures: (),
    graph_checks.check_groups: (graph_checks.check_nodes, graph_checks.check_references),
    cell_checks.check_cells: (),
    cell_checks.check_links_of_cells: (graph_checks.check_ends, cell_checks.check_cells),
    realtime_checks.check_switches: (
        graph_checks.check_nodes,
        graph_checks.check_ends,
        graph_checks.check_references,
    ),
    realtime_checks.check_realtime: (),
    file_checks.check_training: (),
    file_checks.check_files: (),
    cell_checks.check_radios: (cell_checks.check_links_of_cells, file_checks.check_files),
    file_checks.check_contents: (file_checks.check_files,),
    task_checks.check_setting_names: (),
    task_checks.check_tasks: (graph_checks.check_ends, file_checks.check_contents),
    quality_checks.check_quality: (task_checks.check_tasks,),
    link_checks.check_routes_of_sources: (graph_checks.check_graph, task_checks.check_tasks),
    link_checks.check_cells_of_a_ue: (graph_checks.check_graph, cell_checks.check_links_of_cells),
    task_checks.check_memory: (graph_checks.check_nodes, task_checks.check_tasks, quality_checks.check_quality),
    task_checks.check_fixed: (graph_checks.check_nodes, task_checks.check_tasks),
    quality_checks.check_quality_of_fixed: (task_checks.check_fixed, quality_checks.check_quality),
    task_checks.check_worker_policies: (),
    task_checks.check_workers: (graph_checks.check_nodes, realtime_checks.check_switches),
}


def broken_rules(scenario: Scenario, folder: Path) -> Iterator[str]:
    """Yield all mistakes in a scenario whose relative paths start from `folder`, except those that may follow from
    others."""
    rule_input = RuleInput(scenario, folder)
    broken: set[Rule] = set()
    for rule, presumed in RULES.items():
        found = list(rule(rule_input)) if broken.isdisjoint(presumed) else None
        if found != []:
            broken.add(rule)
        yield from found or ()
