"""A UE that is out of coverage all the time: a legal trace, and an outcome of what must cross its links."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from emulator.cell import Cell
from emulator.core.fifo import FOREVER_NS
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.link import Link
from emulator.simulation.network import Network
from emulator.system import Background, CellSpec, LinkSpec, System
from emulator.trace import Release, Trace
from emulator.trace.formats import export_mahimahi, import_trace, summary
from tests.emulator.cell.test_cell import CellCase, cell_cases, run
from tests.emulator.reference import Message
from tests.emulator.reference_run import ReferenceRun
from tests.emulator.simulation.test_cells_in_runs import SCHEDULERS, each_in_a_cell, sharing
from tests.emulator.simulation.test_simulation import PARTS, check_rows
from tests.emulator.strategies import cases, nothing, slots
from tests.emulator.systems import Fixed, key_of, offered, pairs, random_system, scatter, simulate, stages_of

RELEASES: tuple[Release, ...] = ("fluid", "slot")


def darkened(system: System, *dark: tuple[str, str]) -> System:
    """The same system, those links out of coverage."""
    links = [
        replace(link, trace=nothing(link.trace)) if (link.source, link.target) in dark else link
        for link in system.links
    ]
    return replace(system, links=tuple(links))


def test_a_trace_may_carry_nothing(tmp_path: Path) -> None:
    trace = slots(0, 0, 0, 0, slot_ns=NS_PER_MS, snr_db=[-30.0] * 4)
    assert not trace.carries and slots(0, 1).carries
    trace.save(tmp_path / "t.parquet")
    loaded = Trace.load(tmp_path / "t.parquet")
    assert loaded.sha256 == trace.sha256
    assert loaded.mean_rate_bps == loaded.rate_bps(3, 10**9) == 0
    for other in (loaded.scale(1e18), loaded.slice(1, 3), loaded.resample(NS_PER_MS // 2), slots(0, 0, 8).slice(0, 2)):
        assert not other.carries
    facts = summary(loaded)
    assert (facts["mean_rate_bps"], facts["zero_slots_share"], facts["zero_seconds_share"]) == (0, 1, 1)


def test_what_makes_no_sense_without_a_bit_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="capacity_bits=0 in all slots: one must carry bits for mahimahi"):
        export_mahimahi(slots(0, 0, slot_ns=NS_PER_MS), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match=r"factor=0.01: must leave a bit of 8"):
        slots(8).scale(0.01)
    (tmp_path / "rates").write_text("0 0\n1 0.0\n2 0\n")
    with pytest.raises(ValueError, match="rates: rate=0 in all 3 rows: some must be above 0"):
        import_trace(tmp_path / "rates", "rate")


@given(case=cases())
def test_a_link_without_a_bit_takes_nothing_and_never_delivers(case: tuple[LinkSpec, int, list[Message]]) -> None:
    spec, seed, messages = case
    link = Link.standalone(replace(spec, trace=nothing(spec.trace)), seed)
    for now_ns, size_bytes, address, _ in messages:
        assert link.enqueue(now_ns, size_bytes, address) is None
        assert link.queued_bytes == 0
        assert link.earliest_ns(now_ns, size_bytes) == FOREVER_NS
        assert link.rate_bps(now_ns, 100) == 0
    # nor does any link deliver what never reaches it
    assert (
        Link.standalone(spec, seed).earliest_ns(FOREVER_NS, 1)
        == FOREVER_NS
        == Link.standalone(spec, seed).earliest_ns(2**70, 1)
    )


@settings(max_examples=150)
@given(case=cell_cases())
def test_a_ue_without_a_bit_is_as_if_it_were_not_in_its_cell(case: CellCase) -> None:
    """Whatever is offered on its link and whatever background it has: all others are served alike."""
    spec, links, seed, offered_there = case
    dark = replace(
        links[0], source="dark", trace=nothing(links[0].trace), background=Background(1e9 / links[0].trace.slot_ns, 20)
    )
    until_ns = offered_there[-1].message.now_ns + 300 * links[0].trace.slot_ns
    entered, found = run(Cell.standalone(spec, links, seed), offered_there, until_ns)
    both = [each for offer in offered_there for each in (offer._replace(link=len(links)), offer)]
    entered_too, found_too = run(Cell.standalone(spec, [*links, dark], seed), both, until_ns)
    assert found_too == found
    assert entered_too[1::2] == entered
    assert entered_too[::2] == [(False, 0)] * len(entered)


def test_cells_still_refuse_too_few_bits_for_their_groups() -> None:
    links = [LinkSpec(name, "gnb", slots(80, release="slot"), cell="cell") for name in ("ue1", "ue2")]
    Cell.standalone(CellSpec("rr", 4), [links[0], replace(links[1], trace=slots(0, 0, release="slot"))], 1)
    with pytest.raises(ValueError, match="must have a slot with a bit for each group"):
        Cell.standalone(CellSpec("rr", 4), [links[0], replace(links[1], trace=slots(0, 3, release="slot"))], 1)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("dark", [("ue2", "edge2"), ("edge2", "ue2")])
def test_what_must_cross_fails_at_once_and_all_else_goes_on(
    dark: tuple[str, str], release: Release, tmp_path: Path
) -> None:
    """Two layers at the UE, then across: the task fails as they are done, or as the server's are."""
    system = pairs(2, release=release)
    split = Fixed({key: candidates[-1] for key, candidates in system.placements.items()})
    lit = simulate(system, split, tmp_path / "lit")
    outcome = simulate(darkened(system, dark), split, tmp_path / "dark")
    assert sorted(map(key_of, outcome.tasks)) == sorted(offered(system))
    others = [row for row in outcome.tasks if row["source"] == "ue1"]
    assert others == [row for row in lit.tasks if row["source"] == "ue1"]
    lost = [row for row in outcome.tasks if row["source"] == "ue2"]
    assert {(row["outcome"], row["reason"]) for row in lost} == {("failed", "no coverage")}
    assert outcome.totals.little_error == 0
    stages = stages_of(outcome)
    for row in lost:
        first, second = stages[key_of(row)][:2]
        assert first["service_ns"] > 0
        assert second["transfer_ns"] == 0 if dark[0] == "ue2" else second["service_ns"] > 0
        assert sum(row[part] for part in PARTS) == row["sojourn_ns"]
    at_home = Fixed({key: candidates[0] for key, candidates in system.placements.items()})
    untouched = simulate(darkened(system, dark), at_home, tmp_path / "home")
    assert untouched.tasks == simulate(system, at_home, tmp_path / "home-lit").tasks


@pytest.mark.parametrize("seed", range(6))
def test_runs_with_dark_links_are_those_of_the_reference(seed: int, tmp_path: Path) -> None:
    """One UE cannot send, another (or the same) cannot hear; in cells of one link each it is the same."""
    system = random_system(seed)
    last = max(stream.source for stream in system.streams)
    system = darkened(system, ("ue1", "gnb"), ("gnb", last))
    outcome = simulate(system, scatter(system), tmp_path / "run")
    check_rows(outcome, ReferenceRun(system, scatter(system)))
    reasons = Counter(row["reason"] for row in outcome.tasks)
    assert reasons["no coverage"] > 20
    celled = simulate(each_in_a_cell(system), scatter(system), tmp_path / "cells")
    assert sorted(celled.tasks, key=key_of) == sorted(outcome.tasks, key=key_of)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_shared_cell_serves_the_others_as_if_it_were_not_there(scheduler: Any, tmp_path: Path) -> None:
    """Its background is lost, and it counts as no UE where rates are shared."""
    system = sharing(pairs(3, release="slot", rate_per_s=60.0, duration_ns=NS_PER_S), scheduler)
    away = Fixed({key: candidates[1] for key, candidates in system.placements.items()})
    dark = darkened(system, ("ue3", "edge3"))
    links = [
        replace(link, background=Background(500.0, 9_000)) if link.source == "ue3" else link for link in dark.links
    ]
    outcome = simulate(replace(dark, links=tuple(links)), away, tmp_path / "dark")
    fewer = [stream for stream in system.streams if stream.source != "ue3"]
    without = simulate(replace(system, streams=tuple(fewer)), away, tmp_path / "without")
    assert [row for row in outcome.tasks if row["source"] != "ue3"] == without.tasks
    assert {row["reason"] for row in outcome.tasks if row["source"] == "ue3"} == {"no coverage"}
    assert outcome.totals.little_error == 0


def test_a_task_that_runs_where_it_is_needs_no_coverage(tmp_path: Path) -> None:
    system = darkened(pairs(1), ("ue1", "edge1"), ("edge1", "ue1"))
    at_home = {key: candidates[0] for key, candidates in system.placements.items()}
    outcome = simulate(system, Fixed(at_home), tmp_path)
    assert {row["reason"] for row in outcome.tasks} == {""}
    network = Network(system)
    link = network.route("ue1", "edge1")[0]
    assert network.rate_bps(link, NS_PER_S, 50 * NS_PER_MS) == 0
