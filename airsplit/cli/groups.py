"""`airsplit groups`: the deployment groups of a scenario."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airsplit.cli.options import Json, Overrides, ScenarioFile, Seed, Traceback
from airsplit.cli.output import print_json, print_rows

if TYPE_CHECKING:
    from agents.deployment_groups import Deployments
    from topologies.grouping import Branch


def groups(
    scenario: ScenarioFile,
    seed: Seed = None,
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also draw the trees: .pdf, .png or .svg.")] = None,
    as_json: Json = False,
    _: Traceback = False,
) -> None:
    """Search a scenario's nodes for deployment groups, deploy the split model in each, and compare them with the
    optimum over all nodes."""
    from agents.deployment_groups import deploy_groups
    from emulator.core.cache import user_cache
    from results.figures.groups import draw_groups
    from results.figures.style import require_drawable
    from topologies.build import build
    from topologies.loading.loader import load, prefix_errors

    if out is not None:
        require_drawable(out)
    loaded = load(scenario, overrides or (), seed)
    with prefix_errors(scenario):
        section = loaded.groups
        if section is None:
            raise ValueError("groups: must be given, for example {task: TASK, source: UE, compute_gflops: [50, 200]}")
        names = None if section.nodes is None else loaded.names_of(section.nodes)
        found = deploy_groups(build(loaded, scenario.parent, cache=user_cache()), section, names)
    if out is not None:
        draw_groups(found.trees, {each.name: each.members for each in found.groups}, out)
    if as_json:
        print_json({"trees": {name: branch_data(tree) for name, tree in found.trees.items()}, "groups": rows(found)})
        return
    for name, tree in found.trees.items():
        print_tree(name, tree)
    print_rows(rows(found))
    if out is not None:
        print(out)


def rows(found: "Deployments") -> list[dict[str, Any]]:
    """Return a row for each group and for the optimum."""
    from emulator.task import describe

    return [
        {
            "group": each.name,
            "members": " ".join(member.name for member in each.members),
            "placement": describe(each.placement),
            "cost_ms": round(each.cost_s * 1e3, 3),
            "above_optimum": f"{each.cost_s / found.optimum.cost_s - 1:.1%}",
        }
        for each in (*found.groups, found.optimum)
    ]


def branch_data(branch: "Branch") -> dict[str, Any]:
    """Return a branch with all below it as plain data."""
    return {
        "class": branch.label,
        "children": [branch_data(each) for each in branch.children],
        "members": [each._asdict() for each in branch.members],
    }


def print_tree(name: str, tree: "Branch") -> None:
    """Draw a search tree in the terminal, in the order of the search."""
    from rich.console import Console
    from rich.tree import Tree

    def add(drawn: Tree, branch: "Branch") -> None:
        for child in branch.children:
            add(drawn.add(child.label), child)
        for member in branch.members:
            drawn.add(member.label)

    root = Tree(name)
    add(root, tree)
    Console(highlight=False, markup=False).print(root)
