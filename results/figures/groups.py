"""Draw the search trees of deployment groups."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from results.figures.style import INK, PAGE_IN, page, save

MARKERS = {"gpu-first": "o", "memory-first": "s", "hybrid": "D"}
LEVEL_COLUMNS = 1.1  # distance of two levels
MARK_COLUMNS = 0.09  # distance of the marks of a node's groups
LINE_IN = 0.19  # height of a node


def draw_groups(trees: Mapping[str, Any], groups: Mapping[str, Collection[Any]], path: Path) -> Path:
    """Draw the trees side by side, the nodes that are visited first on top, with a mark for each group of a node.

    `trees`: `topologies.grouping.Branch` by the name of its group. `groups`: members by the name of the group.
    """
    most = max(_leaves(tree) for tree in trees.values())
    with page(0.75 + LINE_IN * most, PAGE_IN) as figure:
        panels = figure.subplots(1, len(trees), squeeze=False)[0]
        for axes, (name, tree) in zip(panels, trees.items(), strict=True):
            _draw(axes, tree, groups)
            axes.set_title(name, loc="left")
            axes.set_axis_off()
            axes.set_xlim(-0.1, 3.4 * LEVEL_COLUMNS)
            axes.set_ylim(most - 0.4, -0.6)
        marks = [axes.plot([], [], linestyle="none", color=INK, marker=MARKERS[name], label=name)[0] for name in groups]
        figure.legend(marks, list(groups), loc="outside lower center", ncols=len(groups))
        return save(figure, path)


def _draw(axes: Axes, tree: Any, groups: Mapping[str, Collection[Any]]) -> None:
    """Draw a tree from its root at the left."""
    line = 0

    def draw(branch: Any, level: int) -> float:
        """Draw a branch below its level, and return its height."""
        nonlocal line
        heights = []
        for child in branch.children:
            heights.append(draw(child, level + 1))
            _edge(axes, level, heights[0], heights[-1])
            axes.text((level + 0.05) * LEVEL_COLUMNS, heights[-1] - 0.08, child.label, va="bottom", fontsize=6)
        for member in branch.members:
            heights.append(line)
            _edge(axes, level, heights[0], line)
            in_groups = [name for name, members in groups.items() if member in members]
            for place, name in enumerate(in_groups):
                x = (level + 0.32) * LEVEL_COLUMNS + place * MARK_COLUMNS
                axes.plot(x, line, color=INK, marker=MARKERS[name], markersize=4)
            x = (level + 0.36) * LEVEL_COLUMNS + len(groups) * MARK_COLUMNS
            axes.text(x, line, member.label, va="center", fontsize=6.5)
            line += 1
        return heights[0] if heights else line

    draw(tree, 0)


def _edge(axes: Axes, level: int, top: float, height: float) -> None:
    """Draw the way from a branch, whose own height is `top`, to one of its children at `height`."""
    x = level * LEVEL_COLUMNS
    end = x + (LEVEL_COLUMNS if level < 2 else 0.25 * LEVEL_COLUMNS)
    axes.plot([x, x, end], [top, height, height], color="0.5", linewidth=0.8)


def _leaves(branch: Any) -> int:
    return len(branch.members) + sum(_leaves(child) for child in branch.children)
