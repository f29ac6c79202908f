"""A scenario as a folder stores it: its text, and beside it the `traces/` that the text refers to."""

from pathlib import Path

import yaml

from emulator.system import System
from emulator.trace import Trace
from topologies.parts import direction, nodes_of, profile_source, radio_ends, recorded_arrivals
from topologies.scenario import Scenario


def trace_file(source: str, target: str) -> str:
    """Where the trace of one direction of a link lies in the folder."""
    return f"traces/{direction(source, target)}.parquet"


def save_traces(system: System, folder: Path) -> None:
    """Write the trace of every link into the folder's `traces/`, which is there."""
    for link in system.links:
        link.trace.save(folder / trace_file(link.source, link.target))


def load_traces(folder: Path) -> dict[str, Trace]:
    """The folder's traces by direction, as `topologies.build.build` takes them. Raises ValueError for a
    damaged one."""
    return {path.stem: Trace.load(path) for path in sorted((folder / "traces").glob("*.parquet"))}


def resolved_yaml(scenario: Scenario, folder: Path) -> str:
    """The scenario as run, after overrides, to be stored in a run's folder: recordings refer to the stored
    traces, recorded arrivals stand in the text, other paths, relative to `folder` before, are absolute."""
    data = scenario.model_dump(mode="json", exclude_defaults=True)
    nodes = nodes_of(scenario)
    for index, a, b, link in scenario.link_entries():
        ue, other = radio_ends(a, b, nodes)
        for name, section, stored in (
            ("uplink", link.uplink, trace_file(ue, other)),
            ("downlink", link.downlink, trace_file(other, ue)),
        ):
            if section is not None and section.trace is not None:
                data["links"][index][name] = {"trace": {"file": stored}}
    for entry, task in zip(data["tasks"], scenario.tasks, strict=True):
        if task.arrivals.recorded is not None:
            recorded = recorded_arrivals(task.arrivals.recorded, folder)
            entry["arrivals"]["recorded"] = recorded.model_dump(mode="json", exclude_defaults=True)
    for entry in data["policies"]:
        for key in ("file", "checkpoint"):
            if entry.get(key):
                entry[key] = str((folder / entry[key]).resolve())
    for model, source in scenario.models.items():
        if source.endswith(".json"):
            data["models"][model] = str(Path(profile_source(scenario, model, folder)).resolve())
    return yaml_text(data)


def yaml_text(data: object) -> str:
    """A scenario's keys and values as the text of its file."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
