"""Study files: settings in order, and a line for each mistake before anything runs."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.topologies.loading.bad_scenarios import GOOD
from topologies.loading.study import LoadedStudy, load_study, study_json_schema
from topologies.schema import STUDY_SCHEMA_FILE
from topologies.schema.study import Study, seeds_from

SCENARIO = {"name": "s", "scenario": "good.yaml"}


def written(folder: Path, **keys: Any) -> Path:
    (folder / "good.yaml").write_text(GOOD)
    (folder / "s.yaml").write_text(yaml.safe_dump(SCENARIO | keys, sort_keys=False))
    return folder / "s.yaml"


def loaded(folder: Path, *overrides: str, **keys: Any) -> LoadedStudy:
    return load_study(written(folder, **keys), overrides)


def test_every_combination_is_a_setting(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        "links[1].delay_ms=7",
        set={"duration_s": 1},
        grid={
            "links[1].rate_mbps": [10, 20.5],
            "load": {"paths": ["tasks[0].arrivals.poisson.rate_per_s"], "values": [1, 2]},
            "place": {"path": "links[0].radio", "values": {"40": {"at_m": [40, 0]}, "100": {"at_m": [100, 0]}}},
        },
        variants={"near": {}, "slow": {"devices.server.compute_gflops": 20}},
    )
    assert found.parameters == ("links[1].rate_mbps", "load", "place")
    names = [(each.variant, *each.parameters.values()) for each in found.settings]
    assert names[:4] == [("near", 10, 1, 40), ("near", 10, 1, 100), ("near", 10, 2, 40), ("near", 10, 2, 100)]
    assert len(set(names)) == len(names) == 16
    last = found.settings[-1].scenario
    assert (last.duration_s, last.links[1].delay_ms, last.links[1].rate_mbps) == (1, 7, 20.5)
    assert last.tasks[0].arrivals.poisson is not None and last.tasks[0].arrivals.poisson.rate_per_s == 2
    assert last.links[0].radio is not None and last.links[0].radio.at_m == (100, 0)
    assert (last.devices["server"].compute_gflops, found.settings[0].scenario.devices["server"].compute_gflops) == (
        20,
        200,
    )


def test_policies_are_labels_and_sections(tmp_path: Path) -> None:
    assert loaded(tmp_path).settings[0].scenario.labels == ("random", "pool1")
    chosen = loaded(tmp_path, policies=["pool1", {"type": "greedy", "label": "least"}]).settings[0].scenario
    assert chosen.labels == ("pool1", "least")
    assert chosen.hil is None


def test_seeds_count_from_the_scenarios_own() -> None:
    assert seeds_from(5, 3) == (5, 6, 7)
    assert seeds_from(5, (1, 9)) == (1, 9)


def test_paths_start_from_the_studys_folder(tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "own.jsonl").touch()
    path = written(tmp_path, scenario="../good.yaml", policies=[{"type": "replay", "file": "own.jsonl"}])
    policies = load_study(path.rename(tmp_path / "studies" / "s.yaml")).settings[0].scenario.policies
    assert policies[0].model_dump()["file"] == str(tmp_path / "studies" / "own.jsonl")


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ({"grids": {}}, ['s.yaml:3: grids={}: is not a known key; did you mean "grid"?']),
        ({"scenario": "none.yaml"}, ["s.yaml:2: scenario=none.yaml: must be an existing file"]),
        ({"scenario": None}, ["s.yaml:2: scenario=null: must be text"]),
        ({"grid": {"load": {"values": [1]}}}, ["s.yaml:4: grid.load: must give exactly one of path, paths"]),
        ({"grid": {"load": {"path": "seed", "vals": [1]}}}, [
            's.yaml:6: grid.load.vals=[1]: is not a known key; did you mean "values"?',
        ]),
        ({"grid": {"load": 3}}, ["s.yaml:4: grid.load=3: must be a section with keys"]),
        ({"grid": {"seed": []}}, ["s.yaml:4: grid.seed=[]: must have 1 or more entries"]),
        ({"grid": {"duration_s": [1, 1.0]}}, ["s.yaml: must give different values of grid.duration_s"]),
        ({"grid": {"a": {"path": "seed", "values": [1]}, "seed": [2]}}, [
            "s.yaml: must sweep seed by one parameter of grid alone",
        ]),
        ({"grid": {"d": {"path": "links[1].delay_ms", "values": [1]}}, "variants": {"a": {"links[1].delay_ms": 2}}}, [
            "s.yaml: variants.a: must leave links[1].delay_ms to grid.d, which gives it",
        ]),
        ({"grid": {"policies[0].type": ["random", "greedy"]}, "policies": [{"type": "exact"}]}, [
            "s.yaml: grid.policies[0].type: must leave policies[0].type alone: the study has policies of its own",
        ]),
        ({"seeds": {"channel": 0}}, ["s.yaml:4: seeds.channel=0: must be at least 1"]),
        ({"seeds": {"training": [1, 1]}}, ["s.yaml: must give different seeds.training"]),
        ({"seeds": {"arrivals": ["x"]}}, ["s.yaml:5: seeds.arrivals[0]=x: must be a whole number"]),
        ({"policies": [{"type": "exactt"}]}, ["s.yaml:4: policies[0].type=exactt: must be random, all-device"]),
        ({"repetitions": 0}, ["s.yaml:3: repetitions=0: must be at least 1"]),
        ({"policies": ["pool"]}, [
            's.yaml: policies[0]=pool: must be a section, or one of random, pool1; did you mean "pool1"?',
        ]),
        ({"grid": {"loss": {"path": "links[1].loss", "values": [0, 2, 3]}}}, [
            "s.yaml: loss=2: good.yaml: links[1].loss=2: must be between 0 and 1",
            "s.yaml: loss=3: good.yaml: links[1].loss=3: must be between 0 and 1",
        ]),
        ({"variants": {"a": {"links[5].loss": 0}, "b": {"links[5].loss": 0}}}, [
            "s.yaml: a: good.yaml: links[5].loss=0: links has 2 entries, from 0",
        ]),
        ({"set": {"duration": 3}}, ['s.yaml: good.yaml: duration=3: is not a known key; did you mean "duration_s"?']),
    ],
)  # fmt: skip
def test_each_mistake_has_a_line(tmp_path: Path, keys: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        loaded(tmp_path, **keys)
    found = str(caught.value).splitlines()
    assert len(found) == len(lines) and all(map(str.startswith, found, lines)), found


@pytest.mark.parametrize(
    ("keys", "place"),
    [({"grid": {"duration_s": [1, 2]}}, "grid.duration_s"), ({"variants": {"a": {"duration_s": 1}}}, "variants.a")],
)
def test_overrides_are_applied_or_refused(tmp_path: Path, keys: dict[str, Any], place: str) -> None:
    line = f"s.yaml: --set duration_s=5: must leave duration_s to {place}, which gives it"
    with pytest.raises(ValueError, match=re.escape(line)):
        loaded(tmp_path, "duration_s=5", **keys)
    found = loaded(tmp_path, "duration_s=5", set={"duration_s": 1}).settings[0].scenario
    assert found.duration_s == 5


def test_a_sweep_may_change_a_part_of_a_variants_section(tmp_path: Path) -> None:
    grid = {"y": {"path": "links[0].radio.at_m", "values": {"0": [10, 0], "1": [10, 1]}}}
    found = loaded(tmp_path, grid=grid, variants={"a": {"links[0].radio": {"at_m": [4, 0]}}})
    radios = [each.scenario.links[0].radio for each in found.settings]
    assert [radio.at_m for radio in radios if radio] == [(10, 0), (10, 1)]


def test_json_schema_is_current(tmp_path: Path) -> None:
    schema = json.loads(STUDY_SCHEMA_FILE.read_text())
    assert schema == study_json_schema(), "write study_json_schema() to topologies/study.schema.json"
    assert set(schema["properties"]) == set(Study.model_fields)
    study = yaml.safe_load(
        written(tmp_path, grid={"seed": [1]}, policies=["random"], seeds={"channel": [1]}).read_text()
    )
    jsonschema.validate(study, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(study | {"grid": {"seed": {"values": 3}}}, schema)
