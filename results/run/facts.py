"""Collect the facts of a scenario that summary, figures and report need, at the end of a run."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from emulator.core.units import NS_PER_S
from emulator.policy import EngineName
from emulator.simulation.failures import outages_of
from emulator.simulation.task_state import LINK_DOWN, NO_COVERAGE, NODE_DOWN, REASONS
from emulator.system import OnFailure, System
from emulator.trace import Interval
from results.run.manifest import BrokerFacts, Check, EmulationFacts, KindFacts, LeftOut, RunFacts
from topologies.build.conversion import radio_ends
from topologies.build.run_inputs import trace_file
from topologies.schema.policies import LearnedSection, label_of
from topologies.schema.scenario import Scenario

MAX_NAMED = 6  # links, or nodes and links, in a note
AFTER_A_FAILURE: Mapping[OnFailure, str] = {
    "wait": "waits until it is over",
    "retry": "is placed again by its policy, or fails if no candidate is up",
    "fail": "fails",
}

NOTES_LEFT_OUT: Mapping[LeftOut, str] = {
    "bound": "The bound was left out, as asked, so that rows have no gap.",
    "figures": "Figures were left out, as asked; `airsplit figures` draws them.",
}


class ExecutionFacts(NamedTuple):
    """How the tasks were executed, for facts and manifest. `notes`: sentences for the report. `workers`: facts of each
    worker, by its name. `left_out`: what the user asked the run to do without. `reused`: see `Manifest`."""

    rung: Literal["sim", "emu", "hil"]
    notes: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    broker: BrokerFacts | None = None
    workers: Mapping[str, Mapping[str, str]] = {}
    emulation: EmulationFacts | None = None
    engine: EngineName = "compiled"
    left_out: tuple[LeftOut, ...] = ()
    reused: Mapping[str, str] = {}


def facts_of(scenario: Scenario, system: System, execution: ExecutionFacts) -> RunFacts:
    """Return the facts of a run of `system`, which `scenario` describes."""
    sources = dict.fromkeys(stream.source for stream in system.streams)
    first_links = {link.source: link for link in reversed(system.links)}
    return RunFacts(
        rung=execution.rung,
        duration_s=system.duration_ns / NS_PER_S,
        kinds={
            kind.name: KindFacts(
                model=kind.model.name, layers=len(kind.model.layers), deadline_ms=kind.deadline_ns * 1e-6
            )
            for kind in system.kinds.values()
        },
        cost=system.cost,
        uplinks={name: trace_file(name, first_links[name].target) for name in sources if name in first_links},
        policies={label_of(each): each.type for each in scenario.policies},
        notes=(
            *_coverage_notes(system),
            *_failure_notes(system),
            *recording_notes(scenario, system),
            *_training_notes(scenario),
            *execution.notes,
            *(NOTES_LEFT_OUT[each] for each in execution.left_out),
        ),
        emulation=execution.emulation,
        engine=execution.engine,
        left_out=execution.left_out,
    )


def recording_notes(scenario: Scenario, system: System) -> tuple[str, ...]:
    """Say what looks doubtful in the recordings of links, where they start, and which coincide."""
    files: dict[str, list[str]] = defaultdict(list)
    for spec in system.links:
        file = str(spec.trace.metadata.get("file", f"{spec.source} to {spec.target}"))
        for note in spec.trace.metadata.get("notes", ()):
            if file not in files[note]:
                files[note].append(file)
    return (*(f"{_named(names)}: {note}." for note, names in files.items()), *_replay_notes(scenario, system))


def _coverage_notes(system: System) -> tuple[str, ...]:
    dark = [f"{link.source} to {link.target}" for link in system.links if not link.trace.carries]
    if not dark:
        return ()
    return (
        f"{len(dark)} of {len(system.links)} links are out of coverage all the time ({_named(dark)}): a task that must "
        f"cross one fails at once, its reason {REASONS[NO_COVERAGE]}.",
    )


def _failure_notes(system: System) -> tuple[str, ...]:
    if not system.failures:
        return ()
    places = list(dict.fromkeys(failure.node or " to ".join(failure.link) for failure in system.failures))
    outages = [each for failure in system.failures for each in outages_of(failure, system.seed, system.duration_ns)]
    return (
        f"{sum(start_ns < system.duration_ns for start_ns, _ in outages)} outages of {_named(places)}: a task that "
        f"meets one {AFTER_A_FAILURE[system.on_failure]} (reasons: {REASONS[NODE_DOWN]}, {REASONS[LINK_DOWN]}). "
        "Bounds ignore outages, and agents are trained without them.",
    )


def _replay_notes(scenario: Scenario, system: System) -> tuple[str, ...]:
    """Say where recordings start, and which links replay the same one from the same instant on."""
    starts_s = {f"{each.source} to {each.target}": each.trace.metadata.get("starts_at_s") for each in system.links}
    late = [f"{name} at {start_s:g} s" for name, start_s in starts_s.items() if start_s is not None]
    recorded: dict[tuple[str, str], str] = {}
    for _, a, b, link in scenario.link_entries():
        ue, station = radio_ends(a, b, system.nodes)
        for direction, ends in (("uplink", (ue, station)), ("downlink", (station, ue))):
            section = getattr(link, direction)
            if section is not None and section.trace is not None:
                recorded[ends] = f"{direction}s"
    alike: dict[tuple[str, tuple[Interval, ...]], list[str]] = defaultdict(list)
    for spec in system.links:
        direction = recorded.get((spec.source, spec.target), "")
        if direction and spec.trace.lineage:
            alike[direction, spec.trace.lineage].append(f"{spec.source} to {spec.target}")
    offsets = [f"Recordings start at their offset, not at their beginning: {_named(late)}."] if late else []
    same = (
        f"{len(names)} {direction} replay the same recording from the same instant on ({_named(names)}), so that their "
        "rates change together; `offset_s`, or {i} in the file's name, sets them apart."
        for (direction, _), names in alike.items()
        if len(names) > 1
    )
    return (*offsets, *same)


def _named(names: Sequence[str]) -> str:
    return ", ".join([*names[:MAX_NAMED], *(["others"] if len(names) > MAX_NAMED else [])])


def _training_notes(scenario: Scenario) -> tuple[str, ...]:
    if not any(isinstance(each, LearnedSection) and each.checkpoint is None for each in scenario.policies):
        return ()
    training = scenario.training
    return (
        f"Agents without a checkpoint were trained for {training.steps:,} steps each, on "
        f"{training.traces} other systems of {training.duration_s:g} s, seed {training.seed}.",
    )
