"""The scenario in a run's folder has every value, so that a version with other defaults runs the same."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from emulator.trace import constant
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build.run_inputs import checkpoint_file, input_files, resolved_yaml
from topologies.loading.loader import load
from topologies.schema.base import Section
from topologies.schema.cells import CellSection
from topologies.schema.policies import LearnedSection, label_of
from topologies.schema.scenario import Scenario

SHIPPED = Path(__file__).parents[3] / "topologies"


def resolved(name: str, folder: Path) -> tuple[Scenario, Path]:
    """Return a shipped scenario, and the file of the resolved one with the agents' checkpoints beside it."""
    (folder / "traces").mkdir()
    (folder / "checkpoints").mkdir()
    constant(1e6).save(folder / "traces" / "ue1-gnb.parquet")
    recording = [f"links[0].uplink.trace.file={folder}/traces/ue1-gnb.parquet"] if name == "campus-replay" else []
    scenario = load(SHIPPED / f"{name}.yaml", recording)
    path = folder / "scenario.yaml"
    path.write_text(resolved_yaml(scenario, SHIPPED), encoding="utf-8")
    for place, source in input_files(scenario, SHIPPED).items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / place)
    for policy in scenario.policies:
        (folder / checkpoint_file(label_of(policy))).touch()
    return scenario, path


def unset(value: object, path: str = "") -> Iterator[str]:
    """Yield the paths of the values that come from defaults and are not None."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            inner = getattr(value, name)
            if inner is not None and name not in value.model_fields_set:
                yield f"{path}.{name}"
            yield from unset(inner, f"{path}.{name}")
    for key, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, tuple) else ()
    ):
        yield from unset(inner, f"{path}.{key}")


@pytest.mark.parametrize("name", ["quickstart", "many-ues", "campus-replay"])
def test_field_resolved_scenario_leaves_nothing_to_defaults(name: str, tmp_path: Path) -> None:
    _, path = resolved(name, tmp_path)
    assert not list(unset(load(path)))


@pytest.mark.parametrize("name", ["quickstart", "many-ues", "campus-replay"])
def test_field_resolved_scenario_is_the_same_scenario(name: str, tmp_path: Path) -> None:
    """But for its agents, which have checkpoints, its recordings and quality tables, which are stored, and the digests
    of its prompts."""
    scenario, path = resolved(name, tmp_path)
    again = load(path)
    policies = tuple(
        each.model_copy(update={"checkpoint": checkpoint_file(label_of(each))})
        if isinstance(each, LearnedSection)
        else each
        for each in scenario.policies
    )
    tasks = tuple(
        task.model_copy(update={"quality": other.quality, "prompts": other.prompts})
        for task, other in zip(scenario.tasks, again.tasks, strict=True)
    )
    for task, other in zip(scenario.tasks, again.tasks, strict=True):
        assert (task.prompts is None) == (other.prompts is None)
        assert (other.quality is not None) == (task.name in scenario.cost.quality_s)
    changed = {"policies": policies, "tasks": tasks} | ({"links": again.links} if name == "campus-replay" else {})
    assert again == scenario.model_copy(update=changed)
    assert yaml.safe_load(resolved_yaml(again, tmp_path)) == yaml.safe_load(path.read_text(encoding="utf-8"))


def test_field_absent_values_have_no_other_default() -> None:
    """A value that is None is not written: it must be None again when it is read. `array`, whose default is that of a
    preset, is written."""
    sections, others = [Section], set()
    for section in sections:
        sections += section.__subclasses__()
        for name, field in section.model_fields.items():
            if field.default is not None and type(None) in getattr(field.annotation, "__args__", ()):
                others.add((section, name))
    assert others == {(CellSection, "array")}


@pytest.mark.parametrize("array", ["null", "{rows: 2, columns: 2}"])
def test_field_array_comes_back_where_the_preset_has_another(array: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(GOOD)
    scenario = load(tmp_path / "own.yaml", [f"cells.gnb={{preset: n78-macro, array: {array}}}"])
    text = resolved_yaml(scenario, tmp_path)
    (tmp_path / "again.yaml").write_text(text)
    assert yaml.safe_load(text)["cells"]["gnb"]["array"] is None or array != "null"
    assert load(tmp_path / "again.yaml").cells == scenario.cells
