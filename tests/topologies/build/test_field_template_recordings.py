"""UEs of one link that replay recordings: each its own file, or its own part of one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.core.units import NS_PER_S
from emulator.trace import Interval, Trace
from results.run.facts import ExecutionFacts, facts_of
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build, training_system
from topologies.build.run_inputs import input_files, resolved_yaml, save_traces
from topologies.build.trace_sources import TraceSource
from topologies.loading.loader import load
from topologies.schema.links import DirectionSection, LinkSection, TraceFileSection
from topologies.schema.scenario import Scenario

RATES = "".join(f"{second} {1 + second % 7}\n" for second in range(30))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    (tmp_path / "x.log").write_text(RATES)
    for number in (1, 2):
        (tmp_path / f"walk-{number}.log").write_text(RATES[4 * number :])
        (tmp_path / f"way-{number}.csv").write_text(f"time_s,x_m,y_m\n0,{30 * number},0\n9,40,0\n")
    path.write_text(GOOD)
    return path


def replaying(path: Path, **keys: Any) -> Scenario:
    """Let both UEs' uplinks replay a recording."""
    data = yaml.safe_load(GOOD)
    data["links"][0]["uplink"] = {"trace": {"file": "x.log", "format": "rate", **keys}}
    path.write_text(yaml.safe_dump(data))
    return load(path)


def uplinks(scenario: Scenario, folder: Path) -> list[Trace]:
    return [link.trace for link in build(scenario, folder).links if link.source.startswith("ue")]


def test_field_file_with_a_number_is_that_of_the_ue(good: Path) -> None:
    first, second = uplinks(replaying(good, file="walk-{i}.log"), good.parent)
    assert [int(trace.capacity_bits[0] / 1e6) for trace in (first, second)] == [2, 3]
    assert not first.shares_lineage(second)


def test_field_missing_file_of_one_ue_is_named(good: Path) -> None:
    (good.parent / "walk-2.log").unlink()
    message = r"^good\.yaml:\d+: links\[0\]\.uplink\.trace\.file=walk-2\.log: must be an existing file$"
    with pytest.raises(ValueError, match=message):
        replaying(good, file="walk-{i}.log")


def test_field_track_with_a_number_is_that_of_the_ue(good: Path) -> None:
    good.write_text(GOOD.replace("at_m: [40, 0]", 'track: "way-{i}.csv"'))
    scenario = load(good)
    starts = [trace.columns["distance_m"][0] for trace in uplinks(scenario, good.parent)]
    assert starts == [pytest.approx(np.hypot(distance, 8.5), abs=0.1) for distance in (30, 60)]  # from 10 m to 1.5 m
    assert set(input_files(scenario, good.parent)) == {"inputs/way-1.csv", "inputs/way-2.csv"}
    assert "inputs/way-{i}.csv" in resolved_yaml(scenario, good.parent)


def test_field_ues_of_one_recording_start_at_their_own_instant(good: Path) -> None:
    plain = uplinks(replaying(good), good.parent)
    assert plain[0].sha256 == plain[1].sha256
    for number, trace in enumerate(uplinks(replaying(good, offset_s=4), good.parent), 1):
        np.testing.assert_array_equal(trace.capacity_bits, np.roll(plain[0].capacity_bits, -4 * number))
        assert trace.metadata["starts_at_s"] == 4 * number


@settings(max_examples=40)  # each writes a file
@given(
    bits=st.lists(st.integers(1, 10**6), min_size=2, max_size=40),
    slot_ms=st.sampled_from([1, 100, 1000]),
    offset_slots=st.integers(0, 100),
    number=st.integers(1, 9),
    slots=st.lists(st.integers(0, 10**6), min_size=1, max_size=5),
)
def test_field_ue_i_has_the_recorded_capacity_of_i_offsets_later(
    tmp_path_factory: pytest.TempPathFactory,
    bits: list[int],
    slot_ms: int,
    offset_slots: int,
    number: int,
    slots: list[int],
) -> None:
    folder = tmp_path_factory.getbasetemp()
    lineage = (Interval("recording", 0, len(bits) * slot_ms * 10**6),)
    recording = Trace(slot_ms * 10**6, {"capacity_bits": np.array(bits, np.int64)}, lineage=lineage)
    recording.save(folder / "a.parquet")
    section = TraceFileSection(file="a.parquet", offset_s=offset_slots * slot_ms / 1e3)
    link = LinkSection(
        between=("ue{i}", "gnb"), uplink=DirectionSection(trace=section), downlink=DirectionSection(rate_mbps=1)
    )
    source = TraceSource(seed=1, duration_ns=NS_PER_S, folder=folder, use="run")
    trace = source.specified(link.of_copy(number).directions["uplink"], f"ue{number}-gnb")
    at, later = np.array(slots), np.array(slots) + number * offset_slots
    np.testing.assert_array_equal(trace.capacity_bits[at % len(bits)], recording.capacity_bits[later % len(bits)])
    assert sum(part.stop_ns - part.start_ns for part in trace.lineage) == recording.period_ns


def test_field_offset_lies_within_the_replayed_part_and_that_of_training(good: Path) -> None:
    part = {"interval_s": [10, 16], "training_interval_s": [20, 25], "offset_s": 4}
    scenario = replaying(good, **part)
    rates = 1 + np.arange(30) % 7
    trained = training_system(scenario, good.parent, 0)
    for number, trace in enumerate(uplinks(scenario, good.parent), 1):
        np.testing.assert_array_equal(trace.capacity_bits / 1e6, np.roll(rates[10:16], -4 * number))
        again = trained.links[2 * number - 2].trace
        np.testing.assert_array_equal(again.capacity_bits / 1e6, np.roll(rates[20:25], -4 * number))


def test_field_offset_between_slots_is_refused(good: Path) -> None:
    message = r"^links\[0\]\.uplink: .*x\.log: offset_s=0\.5: must be a multiple of its slots of 1 s$"
    scenario = replaying(good, offset_s=0.5)
    with pytest.raises(ValueError, match=message):
        build(scenario, good.parent)


@pytest.mark.parametrize("keys", [{"offset_s": 4}, {"file": "walk-{i}.log"}])
def test_field_run_folder_has_the_recordings_of_each_ue(good: Path, tmp_path: Path, keys: dict[str, Any]) -> None:
    scenario = replaying(good, **keys)
    system = build(scenario, good.parent)
    run = tmp_path / "run"
    (run / "traces").mkdir(parents=True)
    save_traces(system, run)
    (run / "scenario.yaml").write_text(resolved_yaml(scenario, good.parent))
    again = build(load(run / "scenario.yaml"), run)
    assert [link.trace.sha256 for link in again.links] == [link.trace.sha256 for link in system.links]
    assert "traces/ue{i}-gnb.parquet" in (run / "scenario.yaml").read_text()


def test_field_manifest_says_which_links_replay_the_same_at_the_same_time(good: Path) -> None:
    def notes(**keys: Any) -> str:
        scenario = replaying(good, **keys)
        return " ".join(facts_of(scenario, build(scenario, good.parent), ExecutionFacts("sim")).notes)

    assert "2 uplinks replay the same recording from the same instant on (ue1 to gnb, ue2 to gnb)" in notes()
    assert "2 uplinks replay" in notes(offset_s=30)  # the length of the recording
    assert notes(offset_s=4) == (
        "Recordings start at their offset, not at their beginning: ue1 to gnb at 4 s, ue2 to gnb at 8 s."
    )
    assert notes(file="walk-{i}.log") == ""


def test_field_doubts_about_recordings_stand_in_the_manifest_once(good: Path) -> None:
    for number in (1, 2):
        rows = (f"{at},{5 * number + at % 3}\n" for at in (*range(30), *range(3_600, 3_630)))
        (good.parent / f"gap-{number}.csv").write_text("t,kbps\n" + "".join(rows))
    scenario = replaying(good, file="gap-{i}.csv", format="csv", columns="time=t,rate=kbps")
    notes = facts_of(scenario, build(scenario, good.parent), ExecutionFacts("sim")).notes
    both = "gap-1.csv, gap-2.csv: "
    assert f"{both}column kbps is read in Mbit/s, but its name suggests unit=kbit/s." in notes
    assert [note for note in notes if note.startswith(both) and "the longest, 3571 s, begins 29 s after" in note]
    assert len(notes) == 4 and "gap-2.csv: the rate is 12 Mbit/s, to 2%" in notes[3]
