"""Generated traces: reproducible, independent of chunks and of other UEs."""

import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from emulator.channel.generate import generate, generate_file, stream
from emulator.channel.large_scale.track import static, waypoints
from emulator.channel.numerology import peak_rate_bps
from emulator.channel.radio import SPEC_VERSION, Adaptation, Array, Base, Bursts, Carrier, Direction, Fading, Radio, Ue
from emulator.trace import Interval, Trace

SECOND_NS = 10**9
TWO_SITES = Radio(
    base=Base(sites_m=((0.0, 0.0), (0.0, 200.0))),
    fading=Fading(),
    bursts=Bursts(6.0, 20_000_000, 500_000_000),
)
WAY = waypoints(((20.0, 20.0), (20.0, 180.0)), 15.0)
DIRECTIONS: tuple[Direction, ...] = ("uplink", "downlink")
NEAR = static(20.0, 0.0)
OF_THE_WAY = {"path_loss_db", "shadowing_db", "fading_db", "distance_m", "los", "serving", "rsrp_dbm"}
DESCRIBED = OF_THE_WAY | {"cqi", "subband_cqi", "rank", "grant_groups", "mcs", "sinr_db", "bler"}


def made(radio: Radio = TWO_SITES, direction: Direction = "downlink", seconds: int = 2, entity: str = "ue1") -> Trace:
    return generate(radio, WAY, seconds * SECOND_NS, 5, entity, direction)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_trace_has_one_block_per_slot_and_its_lineage(direction: Direction) -> None:
    trace = made(direction=direction)
    assert (trace.slot_ns, trace.release, trace.period_ns) == (500_000, "slot", 2 * SECOND_NS)
    assert trace.columns.keys() == DESCRIBED | {"capacity_bits", "harq_delay_ns", "block_lost"}
    assert trace.lineage == (Interval("channel 3: seed 5, entity ue1", 0, 2 * SECOND_NS),)
    metadata = trace.metadata
    assert (metadata["spec_version"], metadata["seed"], metadata["entity"]) == (SPEC_VERSION, 5, "ue1")
    assert metadata["radio"] == asdict(TWO_SITES) and metadata["direction"] == direction
    new = trace.columns["mcs"] >= 0
    assert (trace.capacity_bits[new] > 0).all() and not trace.capacity_bits[~new].any()
    assert np.isnan(trace.columns["bler"][~new]).all() and np.isfinite(trace.columns["bler"][new]).all()
    pattern = np.tile([0, 0, 0, 0, 1] if direction == "uplink" else [1, 1, 1, 1, 0], len(trace) // 5)
    assert not new[pattern == 0].any() and new[pattern == 1].mean() > 0.5
    again = trace.columns["harq_delay_ns"] > 0
    assert (again <= new).all() and not (trace.columns["block_lost"] & ~again).any()
    assert trace.columns["harq_delay_ns"][again].min() >= 4_000_000


@pytest.mark.parametrize("chunk_slots", [1, 7, 64, 1_000, 10_000])
def test_values_do_not_depend_on_the_chunk_size(chunk_slots: int) -> None:
    whole = generate(TWO_SITES, WAY, SECOND_NS, 5, "ue1", "downlink")
    parts = list(stream(TWO_SITES, WAY, SECOND_NS, 5, "ue1", "downlink", chunk_slots))
    for name, values in whole.columns.items():
        joined = np.concatenate([part[name] for part in parts])
        assert joined.dtype == values.dtype
        np.testing.assert_array_equal(joined, values)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_longer_trace_begins_with_the_shorter_one(direction: Direction) -> None:
    shorter, longer = (made(direction=direction, seconds=seconds) for seconds in (1, 3))
    for name, values in shorter.columns.items():
        np.testing.assert_array_equal(longer.columns[name][: len(shorter)], values)


def test_a_generated_file_is_the_trace(tmp_path: Path) -> None:
    trace = made()
    digest = generate_file(tmp_path / "t.parquet", TWO_SITES, WAY, 2 * SECOND_NS, 5, "ue1", "downlink")
    loaded = Trace.load(tmp_path / "t.parquet")
    assert digest == loaded.sha256 == trace.sha256
    assert loaded.lineage == trace.lineage
    assert loaded.metadata["radio"]["base"]["sites_m"] == [[0.0, 0.0], [0.0, 200.0]]


def test_the_same_seed_gives_the_same_trace_in_another_process() -> None:
    code = (
        "from emulator.channel.generate import generate\n"
        "from emulator.channel.radio import *\n"
        "from emulator.channel.large_scale.track import waypoints\n"
        "radio = Radio(base=Base(sites_m=((0.0, 0.0), (0.0, 200.0))), fading=Fading(),\n"
        "              bursts=Bursts(6.0, 20_000_000, 500_000_000))\n"
        "way = waypoints(((20.0, 20.0), (20.0, 180.0)), 15.0)\n"
        "print(generate(radio, way, 2 * 10**9, 5, 'ue1', 'uplink').sha256)"
    )
    here = made(direction="uplink").sha256
    for hash_seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == here


def test_another_ues_speed_changes_nothing() -> None:
    """Another UE with another speed is generated between two generations of ue1; both share the sites' fields."""
    before = made()
    slow, fast = (
        generate(TWO_SITES, waypoints(((20.0, 20.0), (20.0, 180.0)), speed), SECOND_NS, 5, "ue2", "downlink")
        for speed in (3.0, 30.0)
    )
    assert slow.sha256 != fast.sha256
    assert made().sha256 == before.sha256
    at_start = [float(trace.columns["shadowing_db"][0]) for trace in (before, slow, fast)]
    assert len(set(at_start)) == 1  # one place, one shadow
    assert before.columns["fading_db"][0] != slow.columns["fading_db"][0]
    assert not before.shares_lineage(slow)


def test_both_directions_of_a_tdd_carrier_have_the_same_propagation() -> None:
    up, down = (made(direction=direction) for direction in DIRECTIONS)
    for name in OF_THE_WAY:
        np.testing.assert_array_equal(up.columns[name], down.columns[name])
    assert up.shares_lineage(down)


def test_settings_of_the_link_do_not_change_the_propagation() -> None:
    """A UE with less power has the same channel; this is why the lineage ignores settings."""
    plain, quiet = made(), made(replace(TWO_SITES, base=replace(TWO_SITES.base, tx_power_dbm=5.0)))
    for name in ("path_loss_db", "shadowing_db", "fading_db", "los", "serving"):
        np.testing.assert_array_equal(plain.columns[name], quiet.columns[name])
    assert plain.shares_lineage(quiet) and plain.mean_rate_bps > 1.1 * quiet.mean_rate_bps


@pytest.mark.parametrize(("mu", "tdd"), [(0, ""), (1, ""), (1, "DDDDDDDSUU")])
def test_a_perfect_channel_carries_the_peak_rate(mu: int, tdd: str) -> None:
    """256QAM at 948/1024 in every downlink symbol: within 2.5 % of TS 38.306, whose overhead of 14 % is a round
    number (here one symbol of control and 12 elements of DM-RS: 14.3 %, and more in short slots)."""
    radio = Radio(
        carrier=Carrier(mu=mu, tdd=tdd, special=(6, 4, 4), bandwidth_hz=20e6),
        base=Base(tx_power_dbm=60.0),
        fading=Fading("none"),
        adaptation=Adaptation(implementation_loss_db=0.0),
    )
    trace = generate(radio, NEAR, 4 * SECOND_NS, 1, "ue1", "downlink")
    later = trace.capacity_bits[len(trace) // 2 :]
    assert not trace.columns["harq_delay_ns"][len(trace) // 2 :].any()
    share = 1.0 if not tdd else (7 * 13 + 5) / (10 * 13)
    rate_bps = later.sum() / (len(later) * trace.slot_ns * 1e-9)
    assert rate_bps == pytest.approx(share * peak_rate_bps(radio.carrier, "downlink", 8, 4), rel=0.025)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    ("mu", "carrier_hz", "bandwidth_hz"),
    [(0, 2.1e9, 5e6), (1, 3.5e9, 100e6), (2, 3.5e9, 100e6), (3, 28e9, 400e6), (4, 28e9, 100e6)],
)
def test_no_numerology_lacks_processes_on_a_perfect_channel(
    mu: int, carrier_hz: float, bandwidth_hz: float, direction: Direction
) -> None:
    """Every slot of an FDD carrier has a block, at the rate of TS 38.306, or up to 4.5 % more: its overhead is 18 % in
    FR2's downlink, and 14.3 % here (one symbol of control, one of DM-RS, of 14)."""
    radio = Radio(
        carrier=Carrier(carrier_hz, bandwidth_hz, mu, tdd=""),
        base=Base(tx_power_dbm=70.0, array=Array(columns=2)),
        ue=Ue(tx_power_dbm=70.0, p0_dbm=0.0),
        fading=Fading("none"),
        adaptation=Adaptation(implementation_loss_db=0.0),
    )
    trace = generate(radio, NEAR, SECOND_NS // 2, 1, "ue1", direction)
    later = trace.capacity_bits[len(trace) // 2 :]
    assert later.all()
    rate_bps = later.sum() / (len(later) * trace.slot_ns * 1e-9)
    assert rate_bps == pytest.approx(
        peak_rate_bps(radio.carrier, direction, 8, 4 if direction == "downlink" else 1), rel=0.05
    )


def test_a_duration_must_be_a_whole_number_of_slots() -> None:
    for duration_ns in (0, -1_000_000, 1_250_000):
        with pytest.raises(
            ValueError, match=f"duration_ns={duration_ns}: must be a whole number of slots of 500000 ns"
        ):
            generate(TWO_SITES, WAY, duration_ns, 1, "ue", "downlink")


def test_a_ue_out_of_coverage_has_a_trace_without_capacity(tmp_path: Path) -> None:
    dead = replace(TWO_SITES, base=replace(TWO_SITES.base, tx_power_dbm=-150.0))
    trace = generate(dead, WAY, SECOND_NS, 1, "ue", "downlink")
    assert len(trace) == 2_000 and not trace.carries
    assert (trace.columns["mcs"] == -1).all() and (trace.columns["sinr_db"] < -20).all()
    path = tmp_path / "dead.parquet"
    assert generate_file(path, dead, WAY, SECOND_NS, 1, "ue", "downlink") == Trace.load(path).sha256 == trace.sha256
