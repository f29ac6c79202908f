"""The tables of docs/agents.md: what a policy and an agent observe."""

import inspect
import re
from dataclasses import replace
from math import log10
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.split_inference.encoding import Encoder, layout_of
from emulator.policy import Observation
from emulator.simulation.network import Network
from emulator.simulation.observation import DelayedObservation
from emulator.system import Control, System
from emulator.task import Partition, Task
from tests.agents.observations import FixedObservation
from topologies.build import build
from topologies.loading.loader import load

ROOT = Path(__file__).parents[2]


def table(heading: str) -> list[list[str]]:
    """Return the cells of the first table after a heading of the page."""
    after = (ROOT / "docs" / "agents.md").read_text().partition(heading)[2]
    block = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)
    assert block is not None
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block[0].splitlines()]
    return [rows[0], *rows[2:]]


@pytest.fixture(scope="module")
def system() -> System:
    path = ROOT / "topologies" / "quickstart.yaml"
    return build(load(path, ["duration_s=1"]), path.parent)


def documented_calls() -> list[str]:
    header, *rows = table("## The observation")
    assert header == ["name", "shape", "unit", "meaning", "age"]
    assert all(name and shape and meaning and age for name, shape, _, meaning, age in rows)
    return [row[0].strip("`") for row in rows]


def test_field_every_field_of_the_observation_is_in_the_table() -> None:
    """The protocol, what a simulation passes, and the table have the same names and parameters."""
    functions = {
        name: f"{name}({', '.join(list(inspect.signature(function).parameters)[1:])})"
        for name, function in vars(Observation).items()
        if inspect.isfunction(function) and not name.startswith("_")
    }
    assert documented_calls() == [*Observation.__annotations__, *functions.values()]
    for name in functions:
        assert list(inspect.signature(getattr(DelayedObservation, name)).parameters) == list(
            inspect.signature(getattr(Observation, name)).parameters
        )
    assert {*DelayedObservation.__slots__} - {"_network"} == set(Observation.__annotations__)


def test_field_members_of_the_observed_task_and_placements_are_in_the_table() -> None:
    meanings = {row[0].strip("`"): row[3] for row in table("## The observation")[1:]}
    assert re.findall(r"`(\w+)`", meanings["task"]) == list(Task._fields)
    assert re.findall(r"`(\w+)`", meanings["candidates"]) == ["Partition", *Partition._fields]


def test_field_units_are_those_of_the_names() -> None:
    units = {"ns": "ns", "bps": "bit/s"}
    for name, _, unit, *_ in table("## The observation")[1:]:
        suffix = name.strip("`").partition("(")[0].rpartition("_")[2]
        assert suffix not in units or units[suffix] == unit


def test_field_ages_are_those_of_the_table(system: System) -> None:
    """Rates are means over the window that ended `age_ns` ago, delays are those of the links, backlogs start empty."""
    control = Control("gnb", age_ns=30_000_000, window_ns=100_000_000)
    network = Network(replace(system, control=control))
    task = next(system.streams[0].tasks(1, 10**12))
    now_ns = 700_000_000
    seen = DelayedObservation(task, now_ns, network, system.placements[task.source, task.kind.name])
    links = network.route(task.source, "edge1")
    assert seen.age_ns == control.age_ns
    assert seen.rate_bps(task.source, "edge1") == min(
        network.rate_bps(link, now_ns - control.age_ns, control.window_ns) for link in links
    )
    assert seen.rate_bps("edge1", "edge1") == float("inf")
    assert seen.delay_ns(task.source, "edge1") == sum(link.spec.delay_ns for link in links)
    assert seen.backlog_ns("edge1") == 0
    device = system.nodes["edge1"].device
    assert device is not None
    layer = task.kind.model.layers[0]
    expected_s = layer.flops / device.compute_flops_per_s + layer.weight_bytes / device.memory_bytes_per_s
    assert seen.service_ns("edge1", 0, 1, 1, 0) == pytest.approx(expected_s * 1e9 + device.layer_overhead_ns, abs=2)


def test_field_every_input_of_an_agent_is_in_the_table(system: System) -> None:
    """In the order of the vector: the two rates of a node lie side by side."""
    header, *rows = table("- **Observation**, float32")
    assert header == ["name", "shape", "unit", "meaning"]
    layout = layout_of(system)
    to_node, from_node, *others = [row[0] for row in rows]
    expected = [name.replace("NODE", node) for node in layout.nodes for name in (to_node, from_node)]
    for name in others:
        expected += [name.replace("KIND", kind) for kind in layout.kinds] if "KIND" in name else [name]
    assert list(layout.inputs) == expected
    assert layout.features == len(expected)


@given(st.data())
def test_field_inputs_have_the_values_of_the_table(system: System, data: st.DataObject) -> None:
    """Each input by its row's formula, from values within and beyond the limits."""
    layout = layout_of(system)
    kind = data.draw(st.sampled_from(list(system.kinds.values())))
    is_text = kind.model.family == "causal_lm"
    prompt, output = data.draw(st.tuples(st.integers(1, 4000), st.integers(1, 4000))) if is_text else (0, 0)
    rates = {
        pair: data.draw(st.sampled_from([0.0, float("inf")]) | st.floats(1, 1e13))
        for node in layout.nodes
        for pair in (("ue1", node), (node, "ue1"))
    }
    speed = data.draw(st.floats(1e-4, 1e6))
    seen = FixedObservation(Task("ue1", kind, 0, 0, prompt, output), (), rates, speeds={"ue1": speed})
    service_s = seen.service_ns("ue1", 0, len(kind.model.layers), max(prompt, 1), prompt // 2) * 1e-9
    expected = {f"kind {name}": float(name == kind.name) for name in system.kinds}
    expected |= {"prompt tokens": log10(1 + prompt) / 2, "output tokens": log10(1 + output) / 2}
    expected["service time"] = log10(min(max(service_s, 1e-6), 1e4)) / 2
    for (source, target), rate in rates.items():
        name = f"rate to {target}" if source == "ue1" else f"rate from {source}"
        expected[name] = (log10(min(max(rate, 1e3), 1e12)) - 7) / 2
    found = dict(zip(layout.inputs, Encoder(layout).features(seen).tolist(), strict=True))
    assert found == pytest.approx(expected, abs=1e-5)
