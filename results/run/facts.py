"""What summary, figures and report need to know of a scenario, told once, when the run is over."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from emulator.core.units import NS_PER_S
from emulator.simulation.task_steps import NO_COVERAGE, REASONS
from emulator.system import System
from results.run.manifest import Broker, Check, Emulation, Facts, Kind
from topologies.build.run_inputs import trace_file
from topologies.schema.scenario import LearnedSection, Scenario, label_of

LINKS_NAMED = 6  # in a note; the others are counted


class Told(NamedTuple):
    """What those who carried the tasks out have to say of it, for facts and manifest: how, in sentences, by checks of
    their own, over which broker, and a few facts of each worker by its name."""

    rung: Literal["sim", "emu", "hil"]
    notes: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    broker: Broker | None = None
    workers: Mapping[str, Mapping[str, str]] = {}
    emulation: Emulation | None = None


def facts_of(scenario: Scenario, system: System, told: Told) -> Facts:
    """The facts of a run of `system`, which `scenario` describes."""
    sources = dict.fromkeys(stream.source for stream in system.streams)
    first_links = {link.source: link for link in reversed(system.links)}
    return Facts(
        rung=told.rung,
        duration_s=system.duration_ns / NS_PER_S,
        kinds={
            kind.name: Kind(model=kind.model.name, layers=len(kind.model.layers), deadline_ms=kind.deadline_ns * 1e-6)
            for kind in system.kinds.values()
        },
        cost=system.cost,
        uplinks={name: trace_file(name, first_links[name].target) for name in sources if name in first_links},
        policies={label_of(each): each.type for each in scenario.policies},
        notes=(*_on_coverage(system), *_on_training(scenario), *told.notes),
        emulation=told.emulation,
    )


def _on_coverage(system: System) -> tuple[str, ...]:
    dark = [f"{link.source} to {link.target}" for link in system.links if not link.trace.carries]
    if not dark:
        return ()
    named = ", ".join([*dark[:LINKS_NAMED], *(["others"] if len(dark) > LINKS_NAMED else [])])
    return (
        f"{len(dark)} of {len(system.links)} links are out of coverage all the time ({named}): a task that must "
        f"cross one fails at once, its reason {REASONS[NO_COVERAGE]}.",
    )


def _on_training(scenario: Scenario) -> tuple[str, ...]:
    if not any(isinstance(each, LearnedSection) and each.checkpoint is None for each in scenario.policies):
        return ()
    training = scenario.training
    return (
        f"Agents without a checkpoint were trained within this run for {training.steps:,} steps each, on "
        f"{training.traces} other systems of {training.duration_s:g} s, seed {training.seed}.",
    )
