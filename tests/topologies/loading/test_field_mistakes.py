"""All mistakes of a scenario at once, each with its line, and the nearest known key for an unknown one."""

import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import airsplit
from tests.topologies.loading.bad_scenarios import GOOD, put
from topologies.loading.loader import load
from topologies.schema.units import QUANTITIES, in_known_unit

SECTION_MISTAKES = {  # by the keys of a wrong value: what is said of it
    ("links[1].loss", 1.4): "links[1].loss=1.4: must be between 0 and 1",
    ("nodes[1].role", "car"): "nodes[1].role=car: must be 'ue', 'gnb', 'edge', 'cloud', 'broker' or 'switch'",
    ("duration_s", -2): "duration_s=-2: must be above 0",
    ("tasks[0].dead_ms", 3): 'tasks[0].dead_ms=3: is not a known key; did you mean "deadline_ms"?',
    ("devices.phone.memory_mb", "much"): "devices.phone.memory_mb=much: must be a number",
    ("cells.gnb.bandwith_mhz", 5): 'cells.gnb.bandwith_mhz=5: is not a known key; did you mean "bandwidth_mhz"?',
    ("policies[1].splits.text.cut", -1): "policies[1].splits.text.cut=-1: must be at least 0",
    ("hil.workers.phones.time_scale", 0): "hil.workers.phones.time_scale=0: must be above 0",
}
RULE_MISTAKES = {
    ("nodes[0].device", "tablet"): "nodes[0].device=tablet: must be one of phone, server",
    ("control.node", "tower"): "control.node=tower: must be the name of a node",
    ("cells.gnb.bandwidth_mhz", 17): "cells.gnb.bandwidth_mhz=17: must be 5, 10, 15, 20",
    ("cost.failure_s", 0.5): "cost.failure_s=0.5: must be at least the longest deadline, 1 s",
    ("hil.policies[0]", "best"): "hil.policies[0]=best: must be the label of a policy: random, pool1",
    ("realtime.commands[0].node", "ue7"): "realtime.commands[0].node=ue7: must be the name of a node, and no switch",
    ("models.alexnet", "lenet"): "models.alexnet=lenet: must be one of alexnet",
}
A_FEW = st.sampled_from([SECTION_MISTAKES, RULE_MISTAKES]).flatmap(
    lambda kind: st.lists(st.sampled_from(list(kind.items())), min_size=1, unique_by=lambda each: each[0][0])
)


def mistakes(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ValueError, match=path.name) as raised:
        load(path, overrides)
    return str(raised.value).splitlines()


@settings(max_examples=30, deadline=None)
@given(chosen=A_FEW, by_override=st.booleans())
def test_field_every_mistake_has_one_line_that_says_where_it_stands(
    chosen: list[tuple[tuple[str, object], str]], by_override: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = {**yaml.safe_load(GOOD), "models": {}}
    path = tmp_path_factory.getbasetemp() / "wrong.yaml"
    if not by_override:
        for (keys, value), _ in chosen:
            put(keys.replace("[", ".").replace("]", ""), value)(data)
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    text = path.read_text(encoding="utf-8").splitlines()
    found = mistakes(path, *(f"{keys}={value}" for (keys, value), _ in chosen if by_override))
    assert len(found) == len(chosen)
    for ((keys, value), expected), line in ((each, line) for each in chosen for line in found if each[1] in line):
        where, place = re.split(" ", line, maxsplit=1)
        if by_override:
            assert (where, place) == ("wrong.yaml:", f"--set {place.removeprefix('--set ')}")
        else:
            number = int(where.removeprefix("wrong.yaml:").removesuffix(":"))
            assert place.startswith(expected)
            assert keys.endswith("]") or text[number - 1].strip().removeprefix("- ").startswith(keys.split(".")[-1])
            assert str(value) in text[number - 1]
    assert sum(expected in line for _, expected in chosen for line in found) == len(chosen)


def test_field_mistakes_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(GOOD.replace("rate_mbps: 1000, delay_ms: 1", "rate_mbps: 1000, loss: 1.4").replace("seed: 1", ""))
    assert mistakes(path, "tasks[0].input=3", "tasks[0].deadline_ms=-1", "nowhere[0]=1") == [
        "small.yaml: --set nowhere[0]=1: nowhere must be a list",
        "small.yaml:2: seed: must be given, in the file or by --set",
        "small.yaml:19: links[1].loss=1.4: must be between 0 and 1",
        'small.yaml: --set tasks[0].input=3: is not a known key; did you mean "input_kb"?',
        "small.yaml: --set tasks[0].deadline_ms=-1: must be above 0",
    ]


def test_field_a_misspelt_key_is_not_said_to_be_missing_as_well(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(GOOD.replace("duration_s: 2", "duraton_s: 2"))
    assert mistakes(path) == ['small.yaml:4: duraton_s=2: is not a known key; did you mean "duration_s"?']


def test_field_a_key_in_another_unit_is_answered_with_the_known_key_and_the_converted_value(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    text = GOOD.replace("memory_mb: 120", "memory_gb: 0.12").replace("delay_ms: 1}", "delay_s: 1e-3, queue_MB: 10}")
    path.write_text(text.replace("rate_mbps: 1000", "rate_gbps: 1").replace("at_m: [40, 0]", "at_km: [0.04, 0]"))
    assert [line.partition(" ")[2] for line in mistakes(path)] == [
        "devices.phone.memory_gb=0.12: is not a known key; write memory_mb: 120",
        "links[0].radio.at_km=[0.04, 0]: is not a known key; write at_m",
        "links[1].rate_gbps=1: is not a known key; write rate_mbps: 1000",
        "links[1].delay_s=0.001: is not a known key; write delay_ms: 1",
        "links[1].queue_MB=10: is not a known key; write queue_kb: 10000",
    ]


@given(
    quantity=st.sampled_from(QUANTITIES),
    value=st.decimals(-1000, 1000, places=4, allow_nan=False, allow_infinity=False).map(float),
    data=st.data(),
)
def test_field_conversion_of_a_unit_is_exact(quantity: dict[str, int], value: float, data: st.DataObject) -> None:
    unit, known = (data.draw(st.sampled_from(sorted(quantity))) for _ in range(2))
    found = in_known_unit(f"size_{unit}", value, {f"size_{known}"})
    assert found is not None
    assert found.key == f"size_{known}"
    assert Fraction(found.value) == Fraction(repr(value)) * Fraction(10) ** (quantity[unit] - quantity[known])


def test_field_rates_per_time_are_not_converted_as_times() -> None:
    assert in_known_unit("rate_per_ms", 2, {"rate_per_s"}) is None
    assert in_known_unit("duration_min", 2, {"duration_s"}) is None


def test_field_lines_are_those_of_merged_mappings_too(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    text = GOOD.replace("  phone: {compute", "  phone: &phone {compute").replace("memory_mb: 120", "memory_mb: -120")
    text = text.replace("  server: {", "  slow:\n    <<: *phone\n    queue_tasks: 0\n  server: {")
    path.write_text(text)
    assert [line.partition("=")[0] for line in mistakes(path)] == [
        "small.yaml:10: devices.phone.memory_mb",
        "small.yaml:10: devices.slow.memory_mb",
        "small.yaml:13: devices.slow.queue_tasks",
    ]


def test_field_repeated_keys_and_other_mistakes_are_found_together(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(GOOD.replace("seed: 1", "seed: 1\nseed: 2\nseed: 3\ncolour: red"))
    assert mistakes(path) == [
        "small.yaml: line 4: must be YAML: 'seed' is given twice",
        "small.yaml: line 5: must be YAML: 'seed' is given twice",
        "small.yaml:6: colour=red: is not a known key",
    ]


def test_field_mistakes_of_several_radios_are_found_together(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    buses = '  - {name: "bus{i}", role: ue, device: phone, count: 3}\n  - {name: gnb, role: gnb}'
    to_and_fro = '  - {between: ["bus{i}", gnb], radio: {to_and_fro_m: [[0, 0], [1e-6, 0]]}}'
    text = GOOD.replace("radio: {at_m: [40, 0]}", "radio: {at_m: [40, 0], height_m: 1}")
    path.write_text(
        text.replace("  - {name: gnb, role: gnb}", buses)
        .replace("links:\n", f"links:\n{to_and_fro}\n")
        .partition("hil:")[0]
    )
    found = mistakes(path)
    assert [line.partition("=")[0] for line in found] == [
        "small.yaml:16: links[0].radio.to_and_fro_m",
        "small.yaml:18: links[1].radio.height_m",
    ]


def test_field_a_mistake_in_another_file_names_it_and_the_line_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(GOOD.replace("{poisson: {rate_per_s: 2}}", "{recorded: {file: a.json}}"))
    (tmp_path / "a.json").write_text('{"arrival_ns": [1, "soon"]}')
    (line,) = mistakes(path)
    assert line.startswith("small.yaml:24: tasks[0].arrivals.recorded.file: ")
    assert line.endswith("a.json: arrival_ns[1]=soon: must be a whole number")


def test_field_mistakes_of_policies_are_found_together(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    wrong = "  - {type: random}\n  - {type: ppo, settings: {learning_rat: 1, gamma: -1}}\n  - {type: 'none:Such'}"
    path.write_text(GOOD.replace("  - {type: random}", wrong))
    with pytest.raises(ValueError, match="learning_rat") as raised:
        airsplit.load(path).run(out=tmp_path / "runs")
    found = str(raised.value).splitlines()
    assert [line.partition(" ")[0] for line in found] == ["small.yaml:37:", "small.yaml:37:", "small.yaml:38:"]
    assert found[0].endswith('; did you mean "learning_rate"?')
    assert "policies[1]: settings.gamma=-1: must be a number from 0" in found[1]
    assert "policies[2]: type=none:Such: must be a class that can be imported" in found[2]


def test_field_the_command_prints_a_line_for_each_mistake(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(GOOD.replace("delay_ms: 1}", "delay_ms: 1, loss: 1.4}"))
    command = [sys.executable, "-m", "airsplit", "run", str(path), "--out", str(tmp_path), "--set", "seed=-1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "small.yaml:19: links[1].loss=1.4: must be between 0 and 1",
        "small.yaml: --set seed=-1: must be at least 0",
    ]
