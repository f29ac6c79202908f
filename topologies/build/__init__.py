"""Conversion of a scenario to the system that a backend runs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from emulator.core.cache import Cache
from emulator.core.randomness import draw_key
from emulator.core.units import ns_from_ms, ns_from_s
from emulator.system import Control, Cost, LinkSpec, System
from emulator.trace import Interval, Trace
from emulator.workload import Arrivals, Periodic, Poisson, Recorded, Stream, Tokens
from topologies.build.conversion import (
    direction_name,
    failures_of,
    kind_of,
    nodes_of,
    placements_of,
    profiles_of,
    quality_of,
    recorded_arrivals,
)
from topologies.build.images import images_of
from topologies.build.links import cells_of, links_of
from topologies.build.prompts import prompt_tokens
from topologies.build.room import require_room
from topologies.build.trace_sources import TraceSource, Use
from topologies.schema.scenario import Scenario
from topologies.schema.workloads import RecordedSection, TaskSection


def build(
    scenario: Scenario, folder: Path, traces: Mapping[str, Trace] | None = None, cache: Cache | None = None
) -> System:
    """Return the system of a scenario whose relative paths start from `folder`.

    `traces` contains traces by direction (`ue1-gnb`) that replace generated or recorded ones, such as those stored by a
    run that is repeated; generated ones are taken from `cache`, or kept there. A generated channel depends on its seed
    and its UE alone, so adding a UE changes no other channel. Raises ValueError (one line) for a malformed file;
    `topologies.loading.loader.prefix_errors` adds the name of the scenario's file to it.
    """
    duration_ns = ns_from_s(scenario.duration_s)
    source = TraceSource(scenario.seed_of_channels, duration_ns, folder, "run", traces or {}, cache or Cache())
    return _system(scenario, folder, source, scenario.seed)


def training_system(scenario: Scenario, folder: Path, index: int) -> System:
    """Return the system with other channels and arrivals, for training: generated traces and draws have a seed of their
    own for each `index` from 0, recordings are cut to their training interval, and nothing fails.

    Raises ValueError (one line) if a trace shares lineage with a trace of the scenario's run.
    """
    return _other_system(scenario, folder, "training", index, build(scenario, folder), None)


def training_systems(scenario: Scenario, folder: Path, cache: Cache | None = None) -> list[System]:
    """Return all training systems of a scenario. Raises as `training_system`."""
    tested, count = build(scenario, folder, cache=cache), scenario.training.traces
    return [_other_system(scenario, folder, "training", index, tested, cache) for index in range(count)]


def validation_systems(
    scenario: Scenario, folder: Path, trained: Sequence[System], cache: Cache | None = None
) -> list[System]:
    """Return all validation systems of a scenario: like training systems, with draws and intervals of their own. Raises
    ValueError (one line) if a trace shares lineage with one of the scenario's run or of `trained`."""
    tested, count = build(scenario, folder, cache=cache), scenario.training.validation_traces
    systems = [_other_system(scenario, folder, "validation", index, tested, cache) for index in range(count)]
    for validated, other in product(systems, trained):
        require_disjoint(validated, other)
    return systems


def _other_system(
    scenario: Scenario, folder: Path, use: Use, index: int, tested: System, cache: Cache | None
) -> System:
    seed = draw_key(scenario.training.seed, use, f"system {index}")
    duration_ns = ns_from_s(scenario.training.duration_s)
    system = _system(scenario, folder, TraceSource(seed, duration_ns, folder, use, cache=cache or Cache()), seed)
    require_disjoint(system, tested)
    return system


def require_disjoint(trained: System, tested: System) -> None:
    """Raise ValueError if the same part of a source went into traces of both systems."""
    parts: dict[str, list[tuple[LinkSpec, Interval]]] = defaultdict(list)
    for other in tested.links:
        for part in other.trace.lineage:
            parts[part.source].append((other, part))
    for link in trained.links:
        for used in link.trace.lineage:
            for other, part in parts.get(used.source, ()):
                if used.overlaps(part):
                    raise ValueError(
                        f"trace {direction_name(link.source, link.target)}: training must share no data"
                        f" with {direction_name(other.source, other.target)} of the run"
                    )


def _system(scenario: Scenario, folder: Path, source: TraceSource, seed: int) -> System:
    """Return the system with the traces of `source`; `seed` is that of all other draws."""
    nodes = nodes_of(scenario)
    models = profiles_of(scenario, folder)
    quality = quality_of(scenario, models, folder)
    placements = placements_of(scenario, nodes, models, quality)
    if not source.stored_traces:
        require_room(scenario, placements, source.duration_ns)
    return System(
        name=scenario.name,
        seed=seed,
        duration_ns=source.duration_ns,
        nodes=nodes,
        links=links_of(scenario, nodes, source),
        streams=tuple(
            Stream(
                name,
                kind_of(task, models[task.model]),
                _arrivals(task, folder),
                _tokens(scenario, task, folder),
                None if task.images is None else images_of(task.images, folder),
            )
            for task in scenario.tasks
            for name in scenario.names_of(task.sources)
        ),
        placements=placements,
        control=Control(
            scenario.control.node,
            ns_from_ms(scenario.control.observation_age_ms),
            ns_from_ms(scenario.control.measurement_window_ms),
        ),
        cost=Cost(
            scenario.cost.failure_s,
            scenario.cost.erasure_s,
            scenario.cost.quality_s,
            scenario.cost.energy_s_per_j,
        ),
        broker=scenario.broker,
        preload=scenario.preload,
        cells=cells_of(scenario),
        failures=failures_of(scenario) if source.use == "run" else (),
        on_failure="wait" if scenario.failures is None else scenario.failures.on_failure,
        quality=quality,
    )


def _arrivals(task: TaskSection, folder: Path) -> Arrivals:
    arrivals = task.arrivals
    if arrivals.poisson is not None:
        return Poisson(arrivals.poisson.rate_per_s)
    if arrivals.periodic is not None:
        return Periodic(ns_from_ms(arrivals.periodic.interval_ms), ns_from_ms(arrivals.periodic.phase_ms))
    recorded = recorded_arrivals(arrivals.recorded or RecordedSection(), folder)
    return Recorded(recorded.arrival_ns or (), recorded.prompt_tokens, recorded.output_tokens)


def _tokens(scenario: Scenario, task: TaskSection, folder: Path) -> Tokens | None:
    if task.tokens is None:
        return None
    prompts = prompt_tokens(scenario, task, folder)
    mean = task.tokens.prompt_mean or round(sum(map(len, prompts)) / len(prompts))
    return Tokens(mean, task.tokens.prompt_max, task.tokens.output_mean, task.tokens.output_max, prompts)
