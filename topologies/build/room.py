"""What a system takes on this machine, so that a run that cannot fit says so before it starts."""

import shutil
from collections.abc import Mapping, Sequence

from emulator.channel.numerology import slot_ns
from emulator.core.errors import MissingDependency
from emulator.core.memory import available_bytes, gb_text
from emulator.core.scratch import scratch_folder
from emulator.task import Placement
from topologies.build.trace_sources import MIN_CHANNEL_NS, whole_slots_ns
from topologies.schema.cells import DIRECTIONS
from topologies.schema.scenario import Scenario

SLOT_BYTES = 110  # in scratch files: the columns of a generated trace, its sums, and the tables of a run
BASE_BYTES = 400_000_000  # of memory: the program with its libraries
SOURCE_BYTES = 150_000  # of memory for a UE that asks for tasks of one kind: links, draws, routes, plans
CANDIDATE_BYTES = 60  # of memory for one of its candidates, most of which it shares with others


def generated_slots(scenario: Scenario, duration_ns: int) -> int:
    """Return the number of slots of all traces that the scenario generates for a system of that duration."""
    slots = 0
    for _, a, b, link in scenario.link_entries():
        cell = scenario.cell_at(a) or scenario.cell_at(b)
        if cell is not None and link.radio is not None:
            each = whole_slots_ns(max(duration_ns, MIN_CHANNEL_NS), cell.mu) // slot_ns(cell.mu)
            slots += each * sum(not link.directions[direction].has_own_rate for direction in DIRECTIONS)
    return slots


def memory_bytes(placements: Mapping[tuple[str, str], Sequence[Placement]]) -> int:
    """Return about how much memory a run takes, given the candidates of each source and kind. It does not depend on the
    duration."""
    return BASE_BYTES + sum(SOURCE_BYTES + CANDIDATE_BYTES * len(each) for each in placements.values())


def require_room(
    scenario: Scenario, placements: Mapping[tuple[str, str], Sequence[Placement]], duration_ns: int
) -> None:
    """Raise MissingDependency, with what is needed and what there is, unless memory and the disk for unnamed files
    suffice for a system of the scenario with that duration."""
    needed, available = memory_bytes(placements), available_bytes()
    if needed > available:
        raise MissingDependency(
            f"{scenario.name}: about {gb_text(needed)} of memory are needed for {len(placements)} streams of tasks, and"
            f" {gb_text(available)} are available; choose fewer UEs, or fewer cuts or max_partitions"
        )
    slots, folder = generated_slots(scenario, duration_ns), scratch_folder()
    free = shutil.disk_usage(folder).free
    if slots * SLOT_BYTES > free:
        raise MissingDependency(
            f"{scenario.name}: about {gb_text(slots * SLOT_BYTES)} are needed in {folder} for {slots} slots of"
            f" channels, and {gb_text(free)} are free; set TMPDIR to a folder with more, or choose a shorter duration_s"
            " or fewer UEs"
        )
