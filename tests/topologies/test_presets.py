"""Presets in scenarios: what they give, what a user's keys replace, and what their channels have in common."""

import math
import re
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.channel.generate import generate
from emulator.channel.presets import PRESETS, PresetName, cell_settings, default_preset, environment_of, ue_settings
from emulator.channel.radio import Direction, Environment
from emulator.trace import Trace
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build.tracks import track_of
from topologies.loading.loader import json_schema, load
from topologies.new_traces import new_traces, trace_request
from topologies.schema.cells import DIRECTIONS, CellSection
from topologies.schema.defaults import with_link_defaults
from topologies.schema.radio import RadioSection, radio_of

NS = 1_000_000_000
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
UE_KEYS = ("tx_power_dbm", "antenna_gain_db", "antennas", "layers", "noise_figure_db", "penetration", "p0_dbm", "alpha")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


def plain(section: Any) -> dict[str, Any]:
    """Return a section's values as a file has them."""
    return {key: _plain(value) for key, value in section.model_dump().items()}


def _plain(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


@given(
    preset=st.none() | st.sampled_from(PRESETS), environment=st.none() | st.sampled_from(ENVIRONMENTS), data=st.data()
)
def test_a_cell_has_the_settings_of_its_preset_except_what_is_given(
    preset: PresetName | None, environment: Environment | None, data: st.DataObject
) -> None:
    """Without a preset it is that of the environment, without both n78-street."""
    named = {"preset": preset, "environment": environment}
    meant = preset or (default_preset(environment) if environment else "n78-street")
    place = environment or environment_of(meant)
    expected = {"preset": meant, "environment": place, **cell_settings(meant, place)}
    others = {key: value for key, value in cell_settings("n41-rural", "rma").items() if key not in named}
    own = {key: others[key] for key in data.draw(st.sets(st.sampled_from(sorted(others))))}
    found = plain(CellSection.model_validate({key: name for key, name in named.items() if name} | own))
    assert {key: found[key] for key in expected} == {key: _plain(value) for key, value in (expected | own).items()}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_resolved_cell_and_radio_mean_the_same_again(preset: PresetName) -> None:
    """A run stores its scenario with all values: reading it again changes nothing."""
    request = trace_request(None, (), preset)
    assert CellSection.model_validate(request.cell.model_dump()) == request.cell
    assert RadioSection.model_validate(request.radio.model_dump()) == request.radio


@pytest.mark.parametrize("preset", PRESETS)
def test_ues_have_the_settings_of_the_preset_of_their_cell(good: Path, preset: PresetName) -> None:
    given_keys = (f"cells.gnb={{preset: {preset}}}", "links[0].radio={ring: {}, alpha: 0.55}")
    radio = load(good, given_keys).links[0].radio
    assert radio is not None and radio.ring is not None
    expected = ue_settings(preset, environment_of(preset)) | {"alpha": 0.55}
    assert {key: getattr(radio, key) for key in UE_KEYS} == {key: expected[key] for key in UE_KEYS}
    assert expected["ring"].items() <= radio.ring.model_dump().items()


def test_ues_of_a_numbered_cell_have_its_preset() -> None:
    scenario = yaml.safe_load(GOOD)
    scenario["cells"] = {"gnb{i}": {"environment": "rma"}, "gnb": {"environment": "uma"}}
    scenario["links"] = [{"between": ["ue1", end], "radio": {"ring": {}}} for end in ("gnb2", "gnb{i}", "gnb", "gnbx")]
    powers_dbm = [link["radio"]["tx_power_dbm"] for link in with_link_defaults(scenario)["links"]]
    assert powers_dbm == [26, 26, 23, 23]


def test_a_single_site_stays_single(good: Path) -> None:
    cell = load(good, ("cells.gnb={preset: n78-macro, sites_m: [[5, 0]]}",)).cells["gnb"]
    assert cell.sites_m == ((5.0, 0.0),)
    assert cell.tx_power_dbm == 51


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("cells.gnb.preset=n78", "cells.gnb.preset=n78: must be 'n78-macro', 'n78-street', "),
        ("cells.gnb.preset=[1]", "cells.gnb.preset=[1]: must be 'n78-macro', "),
        (
            "cells.gnb={environment: umi, carrier_ghz: 28, mu: 3, bandwidth_mhz: 100}",
            "cells.gnb.array=null: must be given in FR2, where all sites send in beams",
        ),
        ("cells.gnb.environment={a: 1}", 'cells.gnb.environment={"a": 1}: must be '),
    ],
)
def test_wrong_names_and_fr2_without_beams_are_one_line(good: Path, override: str, line: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"good.yaml: --set {line}")) as caught:
        load(good, (override,))
    assert "\n" not in str(caught.value)


INDOORS = "cells.gnb={environment: inf-dh"
HALL = "must keep the UE in the hall, 120 x 60 m about"


@pytest.mark.parametrize(
    ("cell", "movement", "line"),
    [
        ("}", "at_m: [61, 0]", f"at_m=[61.0, 0.0]: {HALL} [0, 0]"),
        (", sites_m: [[100, 0], [0, 20]]}", "at_m: [-11, 10]", f"at_m=[-11.0, 10.0]: {HALL} [50, 10]"),
        ("}", "waypoints_m: [[0, 0], [0, 31]]", f"waypoints_m=[[0.0, 0.0], [0.0, 31.0]]: {HALL} [0, 0]"),
        ("}", "ring: {farthest_m: 31}", f"ring.farthest_m=31: {HALL} [0, 0]"),
        ("}", "ring: {about_m: [0, 1]}", f"ring.farthest_m=30: {HALL} [0, 0]"),
        ("}", "track: walk.csv", f"track=walk.csv: {HALL} [0, 0]"),
    ],
)
def test_a_ue_that_leaves_its_hall_is_refused_in_one_line(good: Path, cell: str, movement: str, line: str) -> None:
    (good.parent / "walk.csv").write_text("time_s,x_m,y_m\n0,1,2\n3,-60.5,0\n")
    good.write_text(good.read_text().replace("at_m: [40, 0]", movement))
    with pytest.raises(ValueError, match=re.escape(f"good.yaml:16: links[0].radio.{line}") + "$"):
        load(good, (f"{INDOORS}{cell}",))
    load(good, ("cells.gnb={environment: umi}",))  # no hall there


def test_a_ue_at_the_wall_is_in_its_hall(good: Path) -> None:
    for movement in ("at_m: [60, -30]", "ring: {}"):
        good.write_text(GOOD.replace("at_m: [40, 0]", movement))
        load(good, (f"{INDOORS}}}",))


def test_traces_of_ues_that_leave_the_hall_are_refused(tmp_path: Path) -> None:
    request = trace_request(None, ("radio.ring.farthest_m=40",), "indoor-office")
    message = "trace new: ue1: radio.ring.farthest_m=40: must keep the UE in the hall, 120 x 50 m about [0, 0]"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        list(new_traces(request, 1, ("uplink",), NS, 1, tmp_path / "out"))


def documented(preset: PresetName) -> str:
    """Return the row of a preset in the table of the channel's page."""
    place = environment_of(preset)
    cell, ue = cell_settings(preset, place), ue_settings(preset, place)
    of = [environment for environment in ENVIRONMENTS if default_preset(environment) == preset]
    apart_m = math.dist(*cell["sites_m"][:2])
    array = cell["array"]
    panels = f"{array['sectors']} panels of {array['rows']} x {array['columns']}" if array else "none"
    columns = (
        f"`{preset}`",
        f"{place}; {', '.join(of) or 'none'}",
        f"{cell['carrier_ghz']:g} GHz, {cell['bandwidth_mhz']:g} MHz, `mu` {cell['mu']}",
        f"{cell['tdd']} {', '.join(map(str, cell['special']))}",
        f"{cell['tx_power_dbm']:g} dBm, {cell['antenna_gain_db']:g} dB, {panels}; {cell['antennas']}, {cell['layers']}",
        f"{cell['load']:g}",
        f"{len(cell['sites_m'])}, {apart_m:g} m apart",
        f"{ue['tx_power_dbm']:g} dBm, {ue['antenna_gain_db']:g} dB; {ue['antennas']}, {ue['layers']}",
    )
    return f"| {' | '.join(columns)} |"


@pytest.mark.parametrize("preset", PRESETS)
def test_the_page_has_the_numbers_of_each_preset(preset: PresetName) -> None:
    assert documented(preset) in (Path(__file__).parents[2] / "docs" / "emulator-channel.md").read_text().splitlines()


def test_the_schema_says_defaults_of_presets_in_words() -> None:
    for name, keys in (("CellSection", cell_settings("n78-street", "umi")), ("RadioSection", dict.fromkeys(UE_KEYS))):
        section = json_schema()["$defs"][name]
        for key in keys:
            assert "default" not in section["properties"][key], key
            assert "efault:" in section["properties"][key]["description"], key
            assert key not in section.get("required", ()), key


@cache
def walk(preset: PresetName, direction: Direction, seed: int, *overrides: str) -> Trace:
    """Return 4 s of a walk in the default ring of a preset."""
    request = trace_request(None, overrides, preset)
    track = track_of(request.radio, 4 * NS, seed, "ue1", Path())
    return generate(radio_of(request.cell, request.radio), track, 4 * NS, seed, "ue1", direction)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_carries_in_both_directions(preset: PresetName, direction: Direction) -> None:
    assert all(walk(preset, direction, seed).carries for seed in (1, 2, 3))


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(1, 6), loads=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted))
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("preset", PRESETS)
def test_more_load_never_raises_a_mean_rate(
    preset: PresetName, direction: Direction, seed: int, loads: list[float]
) -> None:
    """Up to the outer loop, whose offsets depend on the blocks that failed before: 1 %."""
    less, more = (walk(preset, direction, seed, f"cell.load={load}").mean_rate_bps for load in loads)
    assert more <= 1.01 * less


EDGES: dict[PresetName, tuple[int, str, tuple[int, ...]]] = {
    "n78-macro": (1_200, "low", (20, 50, 100)),
    "n78-street": (200, "high", (10, 20, 40, 100)),
    "n41-rural": (6_000, "low", (20, 50, 100)),
    "fr2-street": (900, "none", (50, 100, 200)),
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("preset", EDGES)
def test_more_bandwidth_never_raises_the_outage_at_the_edge(preset: PresetName, seed: int) -> None:
    """The share of windows of 100 ms in which a UE far from a single site can send nothing: up to 2 of 40 windows, as
    blocks are drawn anew. A UE's power suffices for as narrow a grant on any carrier."""
    far_m, penetration, bandwidths_mhz = EDGES[preset]
    place = (
        "cell.sites_m=[[0, 0]]",
        f"radio.penetration={penetration}",
        f"radio.to_and_fro_m=[[{far_m}, 0], [{far_m + 20}, 10]]",
        "radio.speed_mps=5",
    )
    traces = [walk(preset, "uplink", seed, f"cell.bandwidth_mhz={each}", *place) for each in bandwidths_mhz]
    edges_ns = np.arange(41) * 100_000_000
    silent = [int((np.diff(trace.bits_before(edges_ns)) == 0).sum()) for trace in traces]
    assert all(wider <= narrower + 2 for narrower, wider in combinations(silent, 2))
