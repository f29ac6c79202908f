"""The inputs of a run in its folder: the scenario's text and copies of the files that it refers to (`traces/`,
`inputs/`, `checkpoints/`). The folder is complete, so it can be moved."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from emulator.core.files import atomic_write
from emulator.core.scratch import Scratch
from emulator.layer_times import measured_of, save_measured
from emulator.system import System
from emulator.trace import Trace
from topologies.build.conversion import (
    direction_name,
    nodes_of,
    profile_source,
    profiles_of,
    radio_ends,
    recorded_arrivals,
    table_file,
)
from topologies.build.prompts import texts_of
from topologies.datasets.image_folder import image_files, images_sha256
from topologies.datasets.texts import texts_sha256
from topologies.loading.file_checks import track_files
from topologies.models.digests import source_digests
from topologies.schema.base import TEMPLATE
from topologies.schema.links import TraceFileSection
from topologies.schema.models import ModelSection
from topologies.schema.policies import (
    CustomSection,
    LearnedSection,
    OnnxSection,
    ReplaySection,
    StableBaselinesSection,
    label_of,
)
from topologies.schema.scenario import Scenario
from topologies.schema.workloads import TaskSection
from topologies.user_modules import stored_files

POLICY_SUFFIXES = {ReplaySection: ".jsonl", OnnxSection: ".onnx", StableBaselinesSection: ".zip"}


def trace_file(source: str, target: str) -> str:
    """Return the path, in the run's folder, of the trace of one direction of a link."""
    return f"traces/{direction_name(source, target)}.parquet"


def save_traces(system: System, folder: Path) -> None:
    """Write the traces of all links into the folder's `traces/`, which must exist."""
    for link in system.links:
        link.trace.save(folder / trace_file(link.source, link.target))


def store_inputs(folder: Path, text: str, files: Mapping[str, Path], system: System) -> None:
    """Write the inputs for repeating a run, except agents: the scenario's text, traces and measured layer times of
    the system, and copies of `files`, given by their paths in the folder."""
    with atomic_write(folder / "scenario.yaml") as partial:
        partial.write_text(text, encoding="utf-8")
    save_traces(system, folder)
    save_measured(folder / "measured.json", measured_of(system))
    for name, source in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / name) as partial:
            shutil.copyfile(source, partial)


def load_traces(folder: Path) -> dict[str, Trace]:
    """Return the folder's traces by direction, for `topologies.build.build`. Raises ValueError for a damaged
    trace."""
    scratch = Scratch()
    return {path.stem: Trace.load(path, scratch) for path in sorted((folder / "traces").glob("*.parquet"))}


def checkpoint_file(label: str) -> str:
    """Return the path, in the run's folder, of the checkpoint of a learned policy."""
    return f"checkpoints/{label}.safetensors"


def input_files(scenario: Scenario, folder: Path) -> dict[str, Path]:
    """Return the files to copy by their paths in the run's folder: decisions to replay, networks, profiles of
    models, recorded tracks, prompts, images, and quality tables. Relative paths of the scenario start from `folder`."""
    deciders = {
        _policy_file(each): folder / each.file
        for each in scenario.policies
        if isinstance(each, ReplaySection | OnnxSection | StableBaselinesSection)
    }
    profiles = {_profile_file(model): Path(source) for model, source in _own_profiles(scenario, folder).items()}
    tracks = {_track_file(file): folder / file for _, file in track_files(scenario)}
    named = [task.prompts.file for task in scenario.tasks if task.prompts is not None]
    prompts = {_prompts_file(file): folder / file for file in named if file is not None}
    images = _image_files(scenario, folder)
    modules = [stored_files(each.type, folder) for each in scenario.policies if isinstance(each, CustomSection)]
    parts = (deciders, profiles, tracks, prompts, images, _quality_files(scenario, folder), *modules)
    return {place: source for files in parts for place, source in files.items()}


def _quality_files(scenario: Scenario, folder: Path) -> dict[str, Path]:
    """Return the used quality tables, shipped ones too, each with its calibration where there is one."""
    models = profiles_of(scenario, folder)
    found: dict[str, Path] = {}
    for task in scenario.tasks:
        if task.name in scenario.cost.quality_s:
            table = table_file(task, models[task.model], folder)
            stored = Path(_quality_file(task.name))
            found |= {str(stored.with_suffix(each)): table.with_suffix(each) for each in (".json", ".npz")}
    return {place: source for place, source in found.items() if source.is_file()}


def _quality_file(task: str) -> str:
    return f"inputs/{task}-quality.json"


def _policy_file(policy: ReplaySection | OnnxSection | StableBaselinesSection) -> str:
    return f"inputs/{label_of(policy)}{POLICY_SUFFIXES[type(policy)]}"


def _track_file(file: str) -> str:
    return f"inputs/{quote(file, safe=TEMPLATE)}"


def _prompts_file(file: str) -> str:
    return f"inputs/{quote(file, safe='')}"


def _images_folder(folder: str) -> str:
    return f"inputs/{quote(folder, safe='')}-images"


def _image_files(scenario: Scenario, folder: Path) -> dict[str, Path]:
    named = [task.images.folder for task in scenario.tasks if task.images is not None]
    return {
        f"{_images_folder(each)}/{path.name}": path
        for each in named
        if each is not None
        for path in image_files(folder / each)
    }


def images_digests(text: str) -> dict[str, str]:
    """Return, from the text of a run's scenario (`resolved_yaml`), the SHA-256 of the images that tasks have from
    folders, by task."""
    tasks = yaml.safe_load(text)["tasks"]
    return {task["name"]: task["images"]["sha256"] for task in tasks if "sha256" in task.get("images", {})}


def _profile_file(model: str) -> str:
    return f"inputs/{quote(model, safe='')}.json"  # a task may name its model by a path


def _own_profiles(scenario: Scenario, folder: Path) -> dict[str, str]:
    """Return the files of all used profiles that are not shipped, by model."""
    sources = {task.model: profile_source(scenario, task.model, folder) for task in scenario.tasks}
    return {model: source for model, source in sources.items() if source.endswith(".json")}


def _stored_model(model: str, source: str | ModelSection | None, folder: Path) -> object:
    """Return the entry of `models` in the run's folder for a model whose profile is stored there: the profile alone, or
    the source with the digests of its files."""
    if not isinstance(source, ModelSection):
        return _profile_file(model)
    found = {"profile": _profile_file(model), "sha256": dict(source_digests(source, folder))}
    if source.folder is not None:
        found["folder"] = str((folder / source.folder).absolute())
    return source.model_copy(update=found).model_dump(mode="json", exclude_none=True)


def model_digests(text: str) -> dict[str, dict[str, str]]:
    """Return, from the text of a run's scenario (`resolved_yaml`), the SHA-256 of the files that the answers of its
    trained models depend on, by model and file."""
    data = yaml.safe_load(text)
    found = {}
    for model in dict.fromkeys(task["model"] for task in data["tasks"]):
        source = data.get("models", {}).get(model, model)
        stated = source if isinstance(source, str) else ModelSection.model_validate(source)
        found[model] = dict(source_digests(stated, Path()))
    return {model: files for model, files in found.items() if files}


def resolved_yaml(scenario: Scenario, folder: Path) -> str:
    """Return the text of the scenario as run, after overrides, for the run's folder. All values are in it, those by
    default too, so that a later version with other defaults runs the same scenario.

    Its recordings refer to the stored traces, each of which starts where its link does, its learned policies to the
    stored checkpoints (so nothing is trained again), its decisions and profiles to `inputs`. Recorded arrivals are in
    the text itself. Relative paths start from `folder`.
    """
    data = scenario.model_dump(mode="json", exclude_none=True)
    for cell in data["cells"].values():
        cell.setdefault("array", None)  # absent, it would be the preset's
    nodes = nodes_of(scenario)
    for entry, link in zip(data["links"], scenario.links, strict=True):
        first = scenario.copies_of(link.between)[0]
        ue, other = link.between if radio_ends(*first, nodes) == first else link.between[::-1]
        for name, stored in (("uplink", trace_file(ue, other)), ("downlink", trace_file(other, ue))):
            if "trace" in entry.get(name, {}):
                section = TraceFileSection(file=stored)
                entry[name]["trace"] = section.model_dump(mode="json", exclude_none=True)
        if link.radio is not None and link.radio.track is not None:
            entry["radio"]["track"] = _track_file(link.radio.track)
    for entry, task in zip(data["tasks"], scenario.tasks, strict=True):
        entry.update(_stored_task(entry, task, folder))
        if task.name in scenario.cost.quality_s:
            entry["quality"] = _quality_file(task.name)
    for entry, policy in zip(data["policies"], scenario.policies, strict=True):
        if isinstance(policy, LearnedSection):
            entry["checkpoint"] = checkpoint_file(label_of(policy))
        if isinstance(policy, ReplaySection | OnnxSection | StableBaselinesSection):
            entry["file"] = _policy_file(policy)
    for model in _own_profiles(scenario, folder):
        data.setdefault("models", {})[model] = _stored_model(model, scenario.models.get(model), folder)
    return yaml_text(data)


def _stored_task(entry: dict[str, Any], task: TaskSection, folder: Path) -> dict[str, Any]:
    """Return the keys of a task that change in the run's folder: its recorded arrivals, prompts and images."""
    changed: dict[str, Any] = {}
    if task.arrivals.recorded is not None:
        recorded = recorded_arrivals(task.arrivals.recorded, folder)
        changed["arrivals"] = {"recorded": recorded.model_dump(mode="json", exclude_none=True)}
    if task.prompts is not None:
        changed["prompts"] = entry["prompts"] | {"sha256": texts_sha256(texts_of(task.prompts, folder))}
        if task.prompts.file is not None:
            changed["prompts"]["file"] = _prompts_file(task.prompts.file)
    if task.images is not None and task.images.folder is not None:
        digest = images_sha256(image_files(folder / task.images.folder))
        changed["images"] = {"folder": _images_folder(task.images.folder), "sha256": digest}
    return changed


def yaml_text(data: object) -> str:
    """Return a scenario's keys and values as YAML text."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
