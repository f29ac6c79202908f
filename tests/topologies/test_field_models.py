"""What a new user sees of models: the list, the fields of profiles, the place of the schema."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build
from topologies.loading.loader import load
from topologies.models.registry import model_names, model_plan, outline
from topologies.profiles import LayerSection, ProfileSection, load_profile, save_profile
from topologies.profiles.shipped import PARAMETERS, shipped_models
from topologies.schema import SCHEMA_FILE
from topologies.schema.base import Section

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "models.md"


def call(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "airsplit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def model_rows() -> list[str]:
    """Return the rows of the page's table of models."""
    return [
        f"| {each.name} | {each.family} | {each.input.replace('x', ' × ')} | {each.parameters:,} | {each.weight_dtype} "
        f"| {each.weight_mb} | {each.gflop} | {each.layers} | {each.cuts.replace('-', ' to ')} |".replace(",", " ")
        for each in shipped_models()
    ]


def field_rows(section: type[Section]) -> list[str]:
    """Return the rows of the page's table of a section's fields."""
    return [f"| `{name}` | {field.description} |" for name, field in section.model_fields.items()]


def test_field_page_lists_the_shipped_models() -> None:
    lines = PAGE.read_text().splitlines()
    assert [line for line in lines if line.split("|")[1:2] and line.split("|")[1].strip() in PARAMETERS] == model_rows()


def test_field_page_lists_the_fields_of_a_profile() -> None:
    """In both directions: every field has its row, and no row is without a field."""
    section = PAGE.read_text().split("## Fields of a profile")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == field_rows(ProfileSection) + field_rows(LayerSection)


def test_field_profiles_have_the_described_fields() -> None:
    profile = json.loads((ROOT / "topologies" / "profiles" / "nin.json").read_text())
    assert {*profile.keys(), "edges"} == ProfileSection.model_fields.keys()
    assert "edges" not in profile
    assert all(layer.keys() == LayerSection.model_fields.keys() for layer in profile["layers"])


@pytest.mark.parametrize("name", model_names())
def test_field_shipped_models_have_the_parameters_that_are_listed(name: str) -> None:
    layers = model_plan(name).layers
    shared = 49_152 * 576 if name == "smollm2-135m" else 0  # embedding and output matrix are one
    assert PARAMETERS[name] == sum(weight.numel() for weight in outline(name).parameters()) - shared
    assert len(layers) == len(load_profile(name).layers)


def test_field_command_lists_the_shipped_models() -> None:
    listed = json.loads(call("models", "--json").stdout)
    assert [each["name"] for each in listed] == sorted(model_names())
    for each in listed:
        assert each["layers"] == len(load_profile(each["profile"]).layers)
        assert each["cuts"] == f"1-{each['layers'] - 1}"
    alexnet = next(each for each in listed if each["name"] == "alexnet")
    assert (alexnet["parameters"], alexnet["input"], alexnet["family"]) == (61_100_840, "3x224x224", "vision")
    done = call("models")
    assert done.returncode == 0
    header, *rows, place = done.stdout.splitlines()
    assert header.split()[:4] == ["name", "family", "input", "parameters"]
    assert [row.split()[0] for row in rows] == sorted(model_names())
    assert place == f"profiles: {ROOT / 'topologies' / 'profiles'}"


def test_field_command_lists_the_layers_of_a_model() -> None:
    listed = json.loads(call("models", "vgg16", "--json").stdout)
    assert [each["layer"] for each in listed] == list(range(21))
    assert [each["name"] for each in listed][-2:] == ["fc7", "fc8"]
    assert call("models", "topologies/profiles/vgg16.json").stdout == call("models", "vgg16").stdout
    done = call("models", "vgg61")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "must be one of alexnet, " in done.stderr


def test_field_command_prints_the_place_of_the_schema() -> None:
    path, comment = call("schema").stdout.splitlines()
    assert json.loads(Path(path).read_text())["properties"]["seed"]["description"]
    assert comment == f"# yaml-language-server: $schema={path}"
    assert json.loads(call("schema", "--json").stdout) == {"path": str(SCHEMA_FILE), "comment": comment}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["models"], ["schema"], ["profile", "--help"]])
def test_field_lists_and_help_load_no_compiler_and_no_torch(arguments: list[str]) -> None:
    code = """
import sys
from airsplit.cli import main
try:
    main()
except SystemExit:
    pass
print(sorted({"torch", "transformers", "numba", "llvmlite", "pandas", "matplotlib"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_field_two_profiles_of_one_name_are_refused(tmp_path: Path) -> None:
    """Devices know models by the names in their profiles, so that one would take the other's times."""
    alexnet = load_profile("alexnet")
    slow = replace(alexnet, layers=tuple(replace(layer, flops=layer.flops * 100) for layer in alexnet.layers))
    (tmp_path / "own.yaml").write_text(GOOD)
    overrides = ["tasks[1].model=alexnet", "tasks[1].tokens=null", "tasks[1].input_kb=5", "tasks[0].model=slow"]
    overrides.append(f"models={{slow: {tmp_path / 'slow.json'}}}")
    save_profile(slow, tmp_path / "slow.json")
    message = r"tasks\[1\].model=alexnet: its profile must have a name of its own: alexnet is that of slow$"
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "own.yaml", overrides)
    save_profile(replace(slow, name="slow"), tmp_path / "slow.json")
    models = build(load(tmp_path / "own.yaml", overrides), tmp_path).models
    assert {name: model.layers[0].flops for name, model in models.items()} == {
        "slow": 14_055_360_000,
        "alexnet": 140_553_600,
    }
