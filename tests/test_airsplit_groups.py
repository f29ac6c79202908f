"""`airsplit groups`: its tree, its table, its figure and its mistakes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from airsplit.cli import app

QUICKSTART = Path(__file__).parents[1] / "topologies" / "quickstart.yaml"
SHORT = ("--set", "duration_s=10")  # of channel: faster


def groups(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["groups", str(QUICKSTART), *SHORT, *map(str, arguments)])


def test_groups_of_the_quickstart(tmp_path: Path) -> None:
    figure = tmp_path / "groups.pdf"
    printed = groups("--out", figure)
    assert printed.exit_code == 0, printed.output
    assert "├── from 200 GFLOP/s" in printed.output
    assert figure.read_bytes().startswith(b"%PDF")
    data = json.loads(groups("--json").output)
    found = {row["group"]: row for row in data["groups"]}
    gpu, memory, hybrid = (set(found[name]["members"].split()) for name in ("gpu-first", "memory-first", "hybrid"))
    assert hybrid <= gpu | memory
    assert found["gpu-first"]["members"].split()[0] == "edge1"  # the accelerator
    assert found["memory-first"]["members"].split()[0] == "cloud"
    assert all(row["cost_ms"] >= found["optimum"]["cost_ms"] for row in data["groups"])
    root = data["trees"]["gpu-first"]
    assert [child["class"] for child in root["children"]] == [
        "from 200 GFLOP/s",
        "50 to 200 GFLOP/s",
        "below 50 GFLOP/s",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "groups.nodes=[ue1, edge1]"), "no group of edge1, ue1 can hold the model"),
        (("--set", "nodes[0].count=20"), "groups.nodes: must be at most 12 of the 23 nodes with a device"),
        (("--set", "groups.members=10"), "groups.members=10: must be at most 9, the number of nodes"),
        (("--set", "groups=null"), "groups: must be given, for example {task: TASK"),
        (("--out", "trees.txt"), "trees.txt: ending must be one of .pdf, .png, .svg"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str) -> None:
    refused = groups(*arguments)
    assert isinstance(refused.exception, ValueError)
    assert message in str(refused.exception)
