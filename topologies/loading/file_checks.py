"""Rules for the files that a scenario names. Each yields its mistakes, `path=value: rule`."""

import os
from collections.abc import Iterator
from pathlib import Path

from topologies.build.conversion import profile_source, recorded_arrivals
from topologies.loading.rule_input import RuleInput
from topologies.models.digests import trained_digests
from topologies.profiles import load_profile, profile_names
from topologies.schema.links import TraceFileSection
from topologies.schema.models import ModelSection
from topologies.schema.policies import ForeignSection, LearnedSection, ReplaySection
from topologies.schema.scenario import Scenario
from topologies.schema.workloads import RecordedSection


def trace_files(scenario: Scenario) -> Iterator[tuple[str, TraceFileSection]]:
    """Yield (path of the section, section) of every recorded trace; of the copies of a link those of other files."""
    seen: set[tuple[str, str]] = set()
    for index, _, _, link in scenario.link_entries():
        for name, direction in link.directions.items():
            path = f"links[{index}].{name}.trace"
            if direction.trace is not None and (path, direction.trace.file) not in seen:
                seen.add((path, direction.trace.file))
                yield path, direction.trace


def track_files(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Yield (path of the key, file) of every recorded track."""
    radios = ((index, link.radio) for index, _, _, link in scenario.link_entries())
    named = ((f"links[{index}].radio.track", radio.track) for index, radio in radios if radio is not None)
    yield from dict.fromkeys((path, file) for path, file in named if file is not None)


def named_files(scenario: Scenario, folder: Path) -> list[tuple[str, str]]:
    """Return (path of the key, file) of every file that the scenario names. Relative paths start from `folder`."""
    files = [(f"{path}.file", trace.file) for path, trace in trace_files(scenario)]
    files += list(track_files(scenario))
    for index, task in enumerate(scenario.tasks):
        if task.arrivals.recorded is not None and task.arrivals.recorded.file is not None:
            files.append((f"tasks[{index}].arrivals.recorded.file", task.arrivals.recorded.file))
        if task.prompts is not None and task.prompts.file is not None:
            files.append((f"tasks[{index}].prompts.file", task.prompts.file))
        source = scenario.models.get(task.model, task.model)
        place = f"models.{task.model}"
        if isinstance(source, ModelSection):
            files += [] if source.profile is None else [(f"{place}.profile", source.profile)]
        elif source.endswith(".json"):
            files.append((place, str(folder / source)))
    for index, policy in enumerate(scenario.policies):
        if isinstance(policy, LearnedSection) and policy.checkpoint is not None:
            files.append((f"policies[{index}].checkpoint", policy.checkpoint))
        if isinstance(policy, ReplaySection | ForeignSection):
            files.append((f"policies[{index}].file", policy.file))
    return files


def check_files(given: RuleInput) -> Iterator[str]:
    """Profiles are shipped or files, and the named files exist."""
    scenario, folder = given.scenario, given.folder
    for index, task in enumerate(scenario.tasks):
        source = scenario.models.get(task.model, task.model)
        path = f"models.{task.model}" if task.model in scenario.models else f"tasks[{index}].model"
        if isinstance(source, ModelSection):
            yield from _wrong_seed(path, source)
        elif not source.endswith(".json") and source not in profile_names():
            yield f"{path}={source}: must be one of {', '.join(profile_names())}, or stand under models"
    for path, file in dict.fromkeys(named_files(scenario, folder)):
        os.fsencode(folder / file)  # raises UnicodeEncodeError where the environment lacks the name's letters
        if not (folder / file).is_file():
            yield f"{path}={file}: must be an existing file"


def _wrong_seed(path: str, section: ModelSection) -> Iterator[str]:
    drawn = [name for name in profile_names() if not trained_digests(name)]
    if section.seed is not None and section.seed not in drawn:
        yield f"{path}.seed={section.seed}: must be one of {', '.join(drawn)}, whose weights are drawn"


def check_contents(given: RuleInput) -> Iterator[str]:
    """Profiles and recorded arrivals can be read. A mistake in a file names the file."""
    scenario, folder = given.scenario, given.folder
    for model in dict.fromkeys(task.model for task in scenario.tasks):
        try:
            load_profile(profile_source(scenario, model, folder))
        except ValueError as error:
            yield f"models.{model}: {error}"
    for index, task in enumerate(scenario.tasks):
        try:
            recorded_arrivals(task.arrivals.recorded or RecordedSection(arrival_ns=()), folder)
        except ValueError as error:
            yield f"tasks[{index}].arrivals.recorded.file: {error}"


def check_training(given: RuleInput) -> Iterator[str]:
    """No part of a recording is used both for training and for the run, by any links."""
    recordings = list(trace_files(given.scenario))
    trained = [
        index
        for index, policy in enumerate(given.scenario.policies)
        if isinstance(policy, LearnedSection) and policy.checkpoint is None
    ]
    for path, trace in recordings:
        if trained and trace.training_interval_s is None:
            yield f"{path}.training_interval_s: must be given, since policies[{trained[0]}] is trained"
        if trained and given.scenario.training.validation_traces and trace.validation_interval_s is None:
            yield f"{path}.validation_interval_s: must be given, since training.validation_traces is not 0"
    for path, trace in recordings:
        if any(_trains_on(trace, tested, given.folder) for _, tested in recordings):
            first_s, stop_s = trace.training_interval_s or (0.0, 0.0)
            interval = f"{path}.training_interval_s=[{first_s:g}, {stop_s:g}]"
            yield f"{interval}: must not overlap with what a link replays of the recording"


def _trains_on(trained: TraceFileSection, tested: TraceFileSection, folder: Path) -> bool:
    """Return whether the training interval of one recording overlaps with the replayed part of another."""
    if trained.training_interval_s is None or (folder / trained.file) != (folder / tested.file):
        return False
    start_s, stop_s = tested.interval_s or (0.0, float("inf"))
    return trained.training_interval_s[0] < stop_s and start_s < trained.training_interval_s[1]
