"""The JSON Schema for editors: it describes every key and accepts every scenario that the loader accepts."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from tests.topologies.loading.bad_scenarios import GOOD
from topologies.loading.document import read_document
from topologies.loading.loader import apply_override, json_schema
from topologies.schema.scenario import Scenario

FOLDER = Path(__file__).parents[2] / "topologies"
SHIPPED = sorted(FOLDER.glob("*.yaml"))
SCHEMA = json.loads((FOLDER / "scenario.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)

# Each changes the good scenario to another one with correct sections.
CHANGES = (
    "nodes[1].name=g",
    "links[0].radio={track: walk.csv, penetration: low, fading: {profile: rice, rice_k_db: 7}}",
    "links[0].radio={ring: {nearest_m: 20, farthest_m: 90.5, about_m: [5, -5]}, pause_s: 2}",
    "links[0].radio={waypoints_m: [[0, 10], [20.5, 10]], alpha: 1, p0_dbm: -90}",
    "links[0].uplink={trace: {file: 'r.csv', format: csv, columns: g-nettrack, where: {run: 3}, scale: 2}}",
    "links[0].uplink={trace: {file: r, interval_s: [0, 5], training_interval_s: [5, 9]}}",
    "links[0].uplink={background: {rate_per_s: 2, size_kb: 500}}",
    "links[0].ramp={idle_ms: 20, delay_ms: 3, first_bytes: 100, report_ms: 2}",
    "cells.gnb={sites_m: [[0, 0], [200, 0]], handover: {hysteresis_db: 2}, harq: {round_trip_ms: 4}}",
    "cells.gnb={tdd: '', special: [10, 2, 2], bursts: {power_db: 3, mean_on_ms: 5, mean_off_ms: 50}}",
    "tasks[0].arrivals={recorded: {arrival_ns: [0, 10], prompt_tokens: [1, 2], output_tokens: [3, 4]}}",
    "tasks[0].arrivals={recorded: {file: arrivals.json}}",
    "tasks[0].cuts=[]",
    "tasks[0].images={dataset: photographs}",
    "tasks[0].sources=ue{i}",
    "models={alexnet: own.json}",
    "models={alexnet: {folder: models/mine, dtype: bf16}, b: {hub: a/b, revision: v1}, c: {package: smollm2}}",
    "policies=[{type: 'lab.mine:Best', label: best, options: {x: [1, {y: null}]}}]",
    "policies=[{type: ppo, settings: {num_envs: 8, asynchronous: true}}, {type: replay, file: r.jsonl}]",
    "policies=[{type: a3c, checkpoint: a.safetensors}, {type: exact}]",
    "policies=[{type: onnx, file: a.onnx, environment: offload, output: logits}]",
    "policies=[{type: sb3, file: a.zip, algorithm: DQN, trust: true, decision_ms: 1}]",
    "failures={outages: [{node: 'ue{i}', from_s: 1, to_s: 2}, {link: [gnb, edge1], from_s: 1, to_s: 2}]}",
    "failures={outages: [{node: g, mean_time_between_failures_s: 9, mean_time_to_repair_s: 1}]}",
    "realtime={policy: random, switch: 'lab:Switch', hosts: [{nodes: [edge1], interface: eth1}]}",
    "hil.workers={w1: {nodes: ['ue{i}', edge1]}}",
    "broker=edge1",
    "preload=false",
)


def good(*changes: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(GOOD.replace("8e3", "8000"))
    for change in changes:
        apply_override(data, change, "good.yaml")
    return data


@cache
def examples() -> tuple[dict[str, Any], ...]:
    """Return the scenarios of the tests, and the shipped ones with a recording where they leave it open."""
    shipped = [read_document(path).data for path in SHIPPED]
    for data in shipped:
        if data["name"] == "campus-replay":
            apply_override(data, "links[0].uplink.trace.file=walk", "campus-replay.yaml")
    return (*map(good, CHANGES), good(), *shipped)


def errors(data: Any) -> list[str]:
    return [f"{each.json_path}: {each.message}" for each in VALIDATOR.iter_errors(data)]


def is_accepted(data: Any) -> bool:
    try:
        Scenario.model_validate(data)
    except ValidationError:
        return False
    return True


def sections(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "Scenario", schema
    yield from schema["$defs"].items()


def undescribed(schema: dict[str, Any]) -> list[str]:
    return [
        f"{name}.{key}"
        for name, section in sections(schema)
        for key, value in section.get("properties", {}).items()
        if not value.get("description", "").strip()
    ]


def test_field_every_key_of_the_schema_is_described() -> None:
    """A field of a section is described by a docstring below it."""
    assert undescribed(json_schema()) == undescribed(SCHEMA) == []
    assert [name for name, section in sections(SCHEMA) if not section.get("description")] == []


def test_undescribed_keys_are_found() -> None:
    assert undescribed({"$defs": {"A": {"properties": {"b": {"type": "integer"}}}}}) == ["A.b"]


def test_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_field_shipped_scenarios_are_valid_by_the_schema(path: Path) -> None:
    """Editors see them without the overrides of a command line: campus-replay leaves its recording to `--set`."""
    assert errors(read_document(path).data) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_field_shipped_scenarios_mean_the_same_in_yaml_1_1_and_1_2(path: Path) -> None:
    """Editors read YAML 1.2, in which `1_000` is text, PyYAML reads YAML 1.1, in which `1e3` is text."""
    text = path.read_text()
    assert yaml.safe_load(text) == read_document(path).data
    values = [token.value for token in yaml.scan(text) if isinstance(token, yaml.ScalarToken) and token.plain]
    assert [value for value in values if value[0].isdigit() and "_" in value] == []


def test_field_example_scenarios_are_valid_by_the_schema() -> None:
    for data in examples():
        assert is_accepted(data)
        assert errors(data) == []


@pytest.mark.parametrize(
    "change",
    [
        "links[1].loss=1.4",
        "links[1].los=0",
        "policies[0].type=best",
        "policies=[{type: random, settings: {}}]",
        "nodes[0].name=1",
        "tasks[0].sources=[]",
        "links[0].uplink={trace: {}, extra: 1}",
    ],
)
def test_schema_refuses_wrong_keys_and_values(change: str) -> None:
    assert errors(good(change))


def places(value: Any, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the keys of every value within a scenario."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*keys, key)
        yield from places(each, (*keys, key))


numbers = st.sampled_from([0, 1, 2, 16, 1_000_000, -1, 0.0, 0.5, 1.0, 1e9, -300.0]) | st.floats(allow_nan=False)
texts = (
    st.sampled_from(["ue1", "ue{i}", "all", "fixed", "random", "lab.x:Y", "um", "pf", "uma", "DSU", "csv"]) | st.text()
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=4
)


@given(st.data())
def test_field_schema_accepts_what_the_loader_accepts(draw: st.DataObject) -> None:
    """Any value anywhere in any example: if the sections take it, so does the schema."""
    data = copy.deepcopy(draw.draw(st.sampled_from(examples())))
    keys = draw.draw(st.sampled_from(list(places(data))))
    place: Any = data
    for key in keys[:-1]:
        place = place[key]
    if draw.draw(st.booleans()):
        place[keys[-1]] = draw.draw(values)
    else:
        del place[keys[-1]]
    if is_accepted(data):
        assert errors(data) == []
