"""Conversion of cells, radios and tracks to the emulator's types."""

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.split_inference.export import _link as exported_link
from emulator.channel import radio
from emulator.system import Background, CellSpec, Ramp
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build
from topologies.build.tracks import random_waypoints, track_of
from topologies.loading.loader import load
from topologies.new_traces import new_traces, trace_request
from topologies.schema.cells import CellSection
from topologies.schema.radio import RadioSection, RingSection, radio_of

STATIC = RadioSection(at_m=(30.0, 40.0))
NS = 1_000_000_000


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


def test_defaults_of_cell_and_radio_are_the_emulators() -> None:
    """Except the sites: the emulator has one, a scenario its neighbours too."""
    made = radio_of(CellSection(), STATIC)
    assert len(made.base.sites_m) == 7
    assert replace(made, base=replace(made.base, sites_m=radio.Base().sites_m)) == radio.Radio()


CELL: dict[str, Any] = {
    "environment": "uma",
    "carrier_ghz": 2.14,
    "bandwidth_mhz": 10.0,
    "mu": 0,
    "tdd": "",
    "special": (6, 4, 4),
    "layers": 2,
    "dmrs_re": 18,
    "overhead_re": 6,
    "sites_m": ((0.0, 0.0), (500.0, 0.0)),
    "height_m": 30.0,
    "tx_power_dbm": 46.0,
    "antenna_gain_db": 14.0,
    "array": {"rows": 4, "columns": 8, "sectors": 2, "tilt_deg": 6.0},
    "antennas": 8,
    "noise_figure_db": 4.0,
    "load": 0.25,
    "load_period_ms": 300.0,
    "noise_rise_db": 2.0,
    "handover": {
        "hysteresis_db": 2.0,
        "time_to_trigger_ms": 80.0,
        "measurement_ms": 20.0,
        "interruption_ms": 30.0,
        "filter_coefficient": 11,
    },
    "site_correlation": 0.25,
    "sight_correlation": 0.125,
    "adaptation": {
        "cqi_table": 1,
        "mcs_table": 1,
        "cqi_period_ms": 10.0,
        "cqi_delay_ms": 6.0,
        "bler_target": 0.05,
        "olla_up_db": 0.25,
        "implementation_loss_db": 1.0,
    },
    "harq": {"max_transmissions": 3, "round_trip_ms": 8.0, "processes": 8},
    "bursts": {"power_db": 10.0, "mean_on_ms": 2.0, "mean_off_ms": 20.0},
}
UE: dict[str, Any] = {
    "height_m": 2.0,
    "tx_power_dbm": 26.0,
    "p0_dbm": -90.0,
    "alpha": 0.7,
    "antennas": 2,
    "layers": 2,
    "noise_figure_db": 9.0,
    "antenna_gain_db": -3.0,
    "penetration": "low",
    "fading": {
        "profile": "tdl-b",
        "delay_spread_ns": 50.0,
        "rice_k_db": 6.0,
        "nakagami_m": 3.0,
        "scatter_mps": 0.5,
        "correlation": 0.1,
        "los_correlation": 0.2,
    },
}
EXPECTED = radio.Radio(
    radio.Carrier(2.14e9, 10e6, 0, "", (6, 4, 4), 2, 18, 6),
    radio.Base(
        environment="uma",
        sites_m=((0.0, 0.0), (500.0, 0.0)),
        height_m=30.0,
        tx_power_dbm=46.0,
        antenna_gain_db=14.0,
        array=radio.Array(4, 8, 2, 6.0),
        antennas=8,
        noise_figure_db=4.0,
        load=0.25,
        load_period_ns=300_000_000,
        noise_rise_db=2.0,
        handover=radio.Handover(2.0, 80_000_000, 20_000_000, 30_000_000, 11),
        site_correlation=0.25,
        sight_correlation=0.125,
    ),
    radio.Ue(
        height_m=2.0,
        tx_power_dbm=26.0,
        p0_dbm=-90.0,
        alpha=0.7,
        antennas=2,
        layers=2,
        noise_figure_db=9.0,
        antenna_gain_db=-3.0,
        penetration="low",
    ),
    radio.Fading(
        profile="tdl-b",
        delay_spread_ns=50.0,
        rice_k_db=6.0,
        nakagami_m=3.0,
        scatter_mps=0.5,
        correlation=0.1,
        los_correlation=0.2,
    ),
    radio.Adaptation(1, 1, 10_000_000, 6_000_000, 0.05, 0.25, 1.0),
    radio.Harq(3, 8_000_000, 8),
    radio.Bursts(10.0, 2_000_000, 20_000_000),
)


def test_all_radio_keys_reach_the_emulator_in_its_units() -> None:
    assert (
        radio_of(CellSection.model_validate(CELL), RadioSection.model_validate({"at_m": (1.0, 2.0), **UE})) == EXPECTED
    )


def test_expected_radio_has_no_default_value() -> None:
    for name in ("carrier", "base", "ue", "fading", "adaptation", "harq"):
        value, default = getattr(EXPECTED, name), getattr(radio.Radio(), name)
        same = [f.name for f in fields(value) if getattr(value, f.name) == getattr(default, f.name)]
        assert not same, (name, same)


def test_tracks_of_static_one_way_and_returning_ues() -> None:
    still = track_of(STATIC, 9 * NS, 1, "ue1", Path())
    assert (still.at_ns.tolist(), still.points_m.tolist()) == ([0], [[30.0, 40.0]])
    square = ((0.0, 0.0), (10.0, 0.0), (10.0, 5.0))
    once = track_of(RadioSection(waypoints_m=square, speed_mps=5.0, pause_s=1.0), 99 * NS, 1, "ue1", Path())
    assert once.points_m[-1].tolist() == [10.0, 5.0]
    assert once.at_ns[-1] < 99 * NS
    again = track_of(RadioSection(to_and_fro_m=square, speed_mps=5.0), 99 * NS, 1, "ue1", Path())
    assert again.at_ns[-1] >= 99 * NS
    assert {tuple(point) for point in again.points_m.tolist()} == set(square)


def test_recorded_track_is_read(tmp_path: Path) -> None:
    (tmp_path / "way.csv").write_text("time_s,x_m,y_m\n0,1,2\n3,4,5\n")
    track = track_of(RadioSection(track="way.csv"), NS, 1, "ue1", tmp_path)
    assert (track.at_ns.tolist(), track.points_m.tolist()) == ([0, 3 * NS], [[1.0, 2.0], [4.0, 5.0]])


@given(
    nearest=st.floats(1, 100),
    width=st.floats(1, 200),
    length=st.floats(0, 5_000),
    seed=st.integers(0, 99),
    centre=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_random_waypoints_stay_in_the_ring(
    nearest: float, width: float, length: float, seed: int, centre: tuple[float, float]
) -> None:
    ring = RingSection(nearest_m=nearest, farthest_m=nearest + width, about_m=centre)
    track = np.array(random_waypoints(ring, length, seed, "ue1")) - np.array(centre)
    steps = np.diff(track, axis=0)
    assert np.hypot(steps[:, 0], steps[:, 1]).sum() >= length
    fractions = np.linspace(0, 1, 50)[:, None, None]
    all_along = track[:-1] + fractions * steps
    distances = np.hypot(all_along[..., 0], all_along[..., 1])
    assert distances.min() >= nearest * (1 - 1e-9) - 1e-9
    assert distances.max() <= (nearest + width) * (1 + 1e-9) + 1e-9


def test_random_waypoints_are_uniform_over_the_ring() -> None:
    """The share of the ring's area inside a point's radius is uniform: Kolmogorov-Smirnov test at 1 %."""
    ring = RingSection(nearest_m=20, farthest_m=120)
    radii = np.array([math.hypot(*random_waypoints(ring, 0.0, seed, "ue1")[0]) for seed in range(1_000)])
    share = np.sort((radii**2 - 20**2) / (120**2 - 20**2))
    ranks = np.arange(1, 1_001) / 1_000
    assert max((ranks - share).max(), (share - ranks + 1e-3).max()) < 1.63 / math.sqrt(1_000)


def test_longer_track_begins_with_the_shorter_and_ues_differ() -> None:
    short, long = (random_waypoints(RingSection(), length, 4, "ue1") for length in (100.0, 1_000.0))
    assert long[: len(short)] == short
    assert (
        random_waypoints(RingSection(), 100.0, 4, "ue2")[0]
        != short[0]
        != random_waypoints(RingSection(), 100.0, 5, "ue1")[0]
    )


def test_ues_of_a_cell_with_a_scheduler_share_its_block_groups(good: Path) -> None:
    system = build(load(good, ["cells.gnb.scheduler=pf", "cells.gnb.window_slots=50"]), good.parent)
    assert system.cells == {
        "gnb uplink": CellSpec("pf", 13, 50),  # 51 resource blocks of 20 MHz in groups of 4
        "gnb downlink": CellSpec("pf", 13, 50),
    }
    assert [link.cell for link in system.links] == ["gnb uplink", "", "gnb uplink", "", "", ""]


def test_without_a_scheduler_every_ue_has_all_resource_blocks(good: Path) -> None:
    system = build(load(good), good.parent)
    assert system.cells == {}
    assert {link.cell for link in system.links} == {""}


def test_both_directions_are_generated_from_one_track(good: Path) -> None:
    good.write_text(good.read_text().replace("    downlink: {rate_mbps: 50}\n", ""))
    up, down = build(load(good), good.parent).links[:2]
    for name in ("path_loss_db", "shadowing_db", "fading_db", "los", "distance_m"):
        assert np.array_equal(up.trace.columns[name], down.trace.columns[name]), name
    assert up.trace.sha256 != down.trace.sha256


def test_background_is_in_its_direction_only(good: Path) -> None:
    traffic = "links[0].uplink.background={rate_per_s: 5, size_kb: 1.5}"
    system = build(load(good, ["cells.gnb.scheduler=rr", traffic]), good.parent)
    assert [link.background for link in system.links[:2]] == [Background(5, 1_500), None]


GRANT = "{idle_ms: 10, delay_ms: 4, period_ms: 5, first_bytes: 300, report_ms: 3}"
OTHER = "{idle_ms: 1, delay_ms: 2}"
FROM_GRANT, FROM_OTHER = Ramp(10_000_000, 4_000_000, 5_000_000, 300, 3_000_000), Ramp(1_000_000, 2_000_000)


@pytest.mark.parametrize(
    ("overrides", "up", "down"),
    [
        ((), None, None),
        ((f"cells.gnb.uplink_grant={GRANT}",), FROM_GRANT, None),
        ((f"links[0].ramp={OTHER}", f"cells.gnb.uplink_grant={GRANT}"), FROM_OTHER, FROM_OTHER),
        ((f"links[0].downlink.ramp={OTHER}", f"cells.gnb.uplink_grant={GRANT}"), FROM_GRANT, FROM_OTHER),
        ((f"links[0].uplink.ramp={GRANT}", f"links[0].ramp={OTHER}"), FROM_GRANT, FROM_OTHER),
    ],
)
def test_most_specific_ramp_takes_precedence(
    good: Path, overrides: tuple[str, ...], up: Ramp | None, down: Ramp | None
) -> None:
    scenario = load(good, overrides)
    assert [link.ramp for link in build(scenario, good.parent).links[:2]] == [up, down]
    exported = exported_link(scenario, next(scenario.link_entries()))
    assert not {"radio", "ramp"} & set(exported)
    assert [exported[direction].get("ramp") is None for direction in ("uplink", "downlink")] == [
        up is None,
        down is None,
    ]


def test_all_copies_of_a_base_station_have_its_cell(good: Path) -> None:
    text = good.read_text().replace("{name: gnb, role: gnb}", '{name: "gnb{i}", role: gnb, count: 2}')
    text = text.replace('["ue{i}", gnb]', '["ue{i}", "gnb{i}"]').replace("[gnb, edge1]", '["gnb{i}", edge1]')
    text = text.replace("gnb: {bandwidth_mhz: 20}", '"gnb{i}": {bandwidth_mhz: 20, scheduler: rr}')
    good.write_text(text.replace("node: gnb,", "node: gnb1,"))
    system = build(load(good), good.parent)
    assert set(system.cells) == {"gnb1 uplink", "gnb1 downlink", "gnb2 uplink", "gnb2 downlink"}
    assert [link.cell for link in system.links if link.source.startswith("ue")] == ["gnb1 uplink", "gnb2 uplink"]


def test_one_ues_speed_changes_no_others_channel(good: Path) -> None:
    text = good.read_text().replace("radio: {at_m: [40, 0]}", "radio: {ring: {}}")
    text = text.replace('["ue{i}", gnb]', "[ue1, gnb]")
    second = "  - {between: [ue2, gnb], radio: {ring: {}}, downlink: {rate_mbps: 50}}\n"
    good.write_text(text.replace("tasks:\n", f"{second}tasks:\n"))
    slow, fast = (build(load(good, [f"links[0].radio.speed_mps={v}"]), good.parent).links for v in (1, 9))
    traces = [
        {link.source: link.trace.sha256 for link in links if link.source.startswith("ue")} for links in (slow, fast)
    ]
    assert traces[0]["ue2"] == traces[1]["ue2"]
    assert traces[0]["ue1"] != traces[1]["ue1"]


def test_trace_request_has_the_keys_of_a_scenario() -> None:
    plain = trace_request("inf-sh", ())
    assert plain.cell == CellSection(environment="inf-sh")
    assert plain.radio.ring == RingSection(nearest_m=1, farthest_m=75)
    placed = trace_request("umi", ("radio.at_m=[10, 20]", "cell.carrier_ghz=2.6", "radio.fading.profile=rice"))
    made = radio_of(placed.cell, placed.radio)
    other = replace(radio_of(CellSection(), STATIC), carrier=radio.Carrier(carrier_hz=2.6e9))
    assert made == replace(other, fading=radio.Fading(profile="rice"))
    assert placed.radio.ring is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("speed=1", r"trace new: --set speed=1: is not a known key"),
        ("radio.speed_mps=fast", r"trace new: --set radio.speed_mps=fast: must be a number"),
        ("cell.environment=moon", r"trace new: --set cell.environment=moon: must be "),
        ("radio", r"trace new: --set radio: must look like"),
        ("radio=5", r"trace new: --set radio=5: must be a section with keys"),
        ("radio.speed_mps=1e-12", r"trace new: --set radio.speed_mps=1e-12: must be at least 0.001"),
        ("cell.bandwidth_mhz=41", r"trace new: cell.bandwidth_mhz=41: must be 5, 10, "),
        ("cell.tdd=DDDD", r"trace new: cell.tdd=DDDD: must leave the uplink at least one slot"),
    ],
)
def test_invalid_trace_request_is_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        trace_request("umi", (override,))
    assert "\n" not in str(caught.value)


def test_folder_with_other_traces_is_refused_before_generation(tmp_path: Path) -> None:
    request, existing = trace_request("umi", ("radio.at_m=[30, 0]",)), tmp_path / "ue2-uplink.parquet"
    existing.touch()
    with pytest.raises(ValueError, match=r"must hold no other traces, and holds ue2-uplink\.parquet$"):
        list(new_traces(request, 1, ("uplink",), NS // 10, 1, tmp_path))
    assert list(tmp_path.iterdir()) == [existing]
    existing.unlink()
    for _ in range(2):  # a second call replaces the files
        made = [path.name for path, _ in new_traces(request, 1, ("uplink",), NS // 10, 1, tmp_path)]
        assert made == [path.name for path in tmp_path.iterdir()] == ["ue1-uplink.parquet"]


def test_failed_generation_leaves_no_new_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "there").mkdir()
    narrow = trace_request("umi", ("radio.to_and_fro_m=[[30, 0], [30.000001, 0]]",))
    for name, message in (
        ("new", r"^trace new: ue1: radio\.to_and_fro_m="),
        ("there", r"^trace new: ue1: radio\.to_and_fro_m="),
        ("file", "file: must be a folder, or a name that ends in .parquet$"),
    ):
        with pytest.raises(ValueError, match=message):
            list(new_traces(narrow, 1, ("uplink",), NS // 10, 1, tmp_path / name))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "there"]
