"""Export an episode as a scenario, so that `airsplit run` can repeat it."""

from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile
from typing import Any

import yaml

from agents.baselines import save_decisions
from agents.split_inference.episodes import Episode
from emulator.core.units import NS_PER_S
from emulator.task import Placement, Task, describe
from topologies.build.conversion import BYTES_PER_MB, nodes_of, radio_ends
from topologies.build.run_inputs import input_files, resolved_yaml, save_traces, trace_file, yaml_text
from topologies.schema.links import LinkSection
from topologies.schema.scenario import Scenario


def export_episode(
    scenario: Scenario, folder: Path, episode: Episode, decisions: Sequence[Placement], out: Path
) -> Path:
    """Write `out`/scenario.yaml with the episode's traces, its arrivals, and a replay of `decisions`, one for each of
    its first tasks. `scenario` (relative paths start at `folder`) is the one that the episode's system was built from.
    In a run, each task has the same sojourn as in the environment.

    Every device gets enough memory for all models, since the environment assumes that weights are loaded.
    """
    tasks = episode.tasks[: len(decisions)]
    (out / "traces").mkdir(parents=True, exist_ok=True)
    save_traces(episode.system, out)
    named = [
        (task.source, task.kind.name, task.number, describe(each)) for task, each in zip(tasks, decisions, strict=True)
    ]
    save_decisions(out / "decisions.jsonl", named)
    for name, source in input_files(scenario, folder).items():
        (out / name).parent.mkdir(exist_ok=True)
        copyfile(source, out / name)
    data = yaml.safe_load(resolved_yaml(scenario, folder))
    data = {key: value for key, value in data.items() if key not in ("cells", "groups", "hil", "realtime", "training")}
    weights_mb = (
        sum(model.weight_bytes(0, len(model.layers)) for model in episode.system.models.values()) / BYTES_PER_MB
    )
    for device in data["devices"].values():
        device["memory_mb"] = max(device["memory_mb"], weights_mb + 1)
    data |= {
        "seed": episode.system.seed,
        "duration_s": (tasks[-1].arrival_ns + NS_PER_S) / NS_PER_S,
        "preload": True,
        "nodes": [_node(name, node.role, node.device) for _, name, node in scenario.node_entries()],
        "links": [_link(scenario, entry) for entry in scenario.link_entries()],
        "tasks": [
            {key: value for key, value in entry.items() if key not in ("prompts", "tokens")}  # lengths are recorded
            | {"sources": [episode.source], "arrivals": {"recorded": _recorded(tasks, entry["name"])}}
            for entry in data["tasks"]
            if any(task.kind.name == entry["name"] for task in tasks)
        ],
        "policies": [{"type": "replay", "file": "decisions.jsonl"}],
    }
    path = out / "scenario.yaml"
    path.write_text(yaml_text(data), encoding="utf-8")
    return path


def _node(name: str, role: str, device: str | None) -> dict[str, str]:
    return {"name": name, "role": role} | ({"device": device} if device else {})


def _link(scenario: Scenario, entry: tuple[int, str, str, LinkSection]) -> dict[str, Any]:
    """Return the section of one link. A link over the air refers to its stored traces and needs no cell, since a task
    of an environment is alone there."""
    _, a, b, link = entry
    data: dict[str, Any] = link.model_dump(mode="json", exclude_defaults=True) | {"between": [a, b]}
    if not link.over_the_air:
        return data
    ue, other = radio_ends(a, b, nodes_of(scenario))
    stored = {"uplink": trace_file(ue, other), "downlink": trace_file(other, ue)}
    data = {key: value for key, value in data.items() if key not in ("radio", "ramp")}
    for way in link.directions:
        ramp = link.ramp_of(way, scenario.cell_at(other))
        data[way] = {"trace": {"file": stored[way]}} | ({"ramp": ramp.model_dump(mode="json")} if ramp else {})
    return data


def _recorded(tasks: Sequence[Task], kind: str) -> dict[str, list[int]]:
    of_kind = [task for task in tasks if task.kind.name == kind]
    recorded = {"arrival_ns": [task.arrival_ns for task in of_kind]}
    if of_kind[0].kind.model.family == "causal_lm":
        recorded["prompt_tokens"] = [task.prompt_tokens for task in of_kind]
        recorded["output_tokens"] = [task.output_tokens for task in of_kind]
    return recorded
