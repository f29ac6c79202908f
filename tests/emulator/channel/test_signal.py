"""SINR and descriptive columns, compared with a second implementation of the link budget."""

import itertools
import re
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.channel.air.slot import UNLIMITED_PRBS
from emulator.channel.large_scale.propagation import Propagation, propagate
from emulator.channel.large_scale.track import Track, static, waypoints
from emulator.channel.radio import Base, Bursts, Carrier, Direction, Fading, Handover, Radio, Ue
from emulator.channel.signal import Signal, Slots

DIRECTIONS: tuple[Direction, ...] = ("uplink", "downlink")
SLOT_NS = 500_000
TWO = Ue(antennas=2)
LONE = Base(antennas=2)
PLAIN = Radio(
    carrier=Carrier(layers=1),
    base=Base(sites_m=((0.0, 0.0), (0.0, 200.0), (150.0, 100.0)), load=1.0, noise_rise_db=3.0, antennas=2),
    ue=TWO,
    fading=Fading("none"),
)
WAY = waypoints(((20.0, 10.0), (20.0, 190.0)), 15.0)  # from the first site to the second in 12 s
SLOTS = 30_000


def receive(radio: Radio, direction: Direction, track: Track = WAY, slots: int = SLOTS, seed: int = 4) -> Slots:
    return Signal(radio, track, seed, "ue1", direction).next_slots(slots)


def propagation_of(radio: Radio, track: Track = WAY, slots: int = SLOTS, seed: int = 4) -> Propagation:
    return propagate(radio, track, slots * SLOT_NS, seed, "ue1")


def serving(found: Propagation, slots: int = SLOTS) -> npt.NDArray[np.int64]:
    at_ns = np.arange(slots) * SLOT_NS
    return found.serving_site[[int(np.flatnonzero(found.serving_from_ns <= now)[-1]) for now in at_ns]]


def coupling_db(found: Propagation, slots: int = SLOTS) -> npt.NDArray[np.float64]:
    """To each site, shape (sites, slots), 8 dB of antenna."""
    loss_db = found.path_loss_db + found.shadowing_db - 8.0
    return np.stack([np.interp(np.arange(slots) * SLOT_NS, found.at_ns, each) for each in loss_db])


def decibels(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 10 * np.log10(values)


def test_downlink_is_signal_over_noise_and_the_others() -> None:
    """33 dBm over 106 x 12 subcarriers of 30 kHz, a noise figure of 7 dB, two branches: twice the signal."""
    got = receive(PLAIN, "downlink")
    found = propagation_of(PLAIN)
    received_mw = 10 ** ((33 - decibels(np.array(106 * 12.0)) - coupling_db(found)) / 10)
    site = serving(found)
    own_mw = received_mw[site, np.arange(SLOTS)]
    noise_mw = 10 ** ((-174 + decibels(np.array(30e3)) + 7) / 10)
    sinr = 2 * own_mw / (noise_mw + (received_mw.sum(axis=0) - own_mw))
    np.testing.assert_allclose(got.received.sinr[:, 0], np.repeat(sinr[:, None], 14, axis=1), rtol=1e-9)
    np.testing.assert_allclose(got.description["rsrp_dbm"], decibels(own_mw), atol=0.00501)
    np.testing.assert_array_equal(got.description["serving"], site)
    assert set(np.unique(site)) >= {0, 1}


def test_downlink_of_loaded_neighbours_loses_the_sites_that_are_on() -> None:
    """Each slot's SINR is that with some set of the other two sites; both sets of one occur, and a higher load only
    lowers it."""
    some, more = (
        receive(
            replace(PLAIN, base=replace(PLAIN.base, load=load, load_period_ns=70_000_000)), "downlink"
        ).received.sinr[:, 0, 0]
        for load in (0.3, 0.6)
    )
    received_mw = 10 ** ((33 - decibels(np.array(106 * 12.0)) - coupling_db(propagation_of(PLAIN))) / 10)
    site = serving(propagation_of(PLAIN))
    own_mw = received_mw[site, np.arange(SLOTS)]
    noise_mw = 10 ** ((-174 + decibels(np.array(30e3)) + 7) / 10)
    found = set()
    for on in itertools.product((0, 1), repeat=3):
        sets = np.repeat(np.array(on)[:, None], SLOTS, axis=1)
        sets[site, np.arange(SLOTS)] = 0
        same = np.isclose(some, 2 * own_mw / (noise_mw + (sets * received_mw).sum(axis=0)), rtol=1e-9)
        found |= set(np.flatnonzero(same))
        assert same.any()
    assert len(found) == SLOTS
    assert (more <= some).all() and (more < some).mean() > 0.2


def test_uplink_has_power_control_and_noise_rise() -> None:
    radio = replace(PLAIN, ue=replace(TWO, p0_dbm=-90.0, alpha=0.9, tx_power_dbm=15.0))
    got = receive(radio, "uplink")
    found = propagation_of(radio)
    loss_db = coupling_db(found)[serving(found), np.arange(SLOTS)]
    asked_dbm = -90 + decibels(np.array(2.0 * 106)) + 0.9 * loss_db
    assert asked_dbm.min() < 15 < asked_dbm.max()
    sent_dbm = np.minimum(15, asked_dbm) - decibels(np.array(106 * 12.0))
    noise_dbm = -174 + decibels(np.array(30e3)) + 5 + 3
    np.testing.assert_allclose(decibels(got.received.sinr[:, 0, 0] / 2), sent_dbm - loss_db - noise_dbm, atol=1e-9)


@pytest.mark.parametrize("direction", ["uplink", "downlink"])
def test_descriptive_columns_are_the_propagation_to_the_serving_site(direction: Direction) -> None:
    radio = replace(PLAIN, fading=Fading("tdl-c", 100.0))
    got, found = receive(radio, direction), propagation_of(radio)
    site = serving(found)
    for name, values in (
        ("path_loss_db", found.path_loss_db),
        ("shadowing_db", found.shadowing_db),
        ("distance_m", found.distance_m),
    ):
        along = np.stack([np.interp(np.arange(SLOTS) * SLOT_NS, found.at_ns, each) for each in values])
        np.testing.assert_allclose(got.description[name], along[site, np.arange(SLOTS)], atol=0.00502)
    still = receive(replace(radio, fading=Fading("none")), direction)
    faded_db = decibels((got.received.sinr / still.received.sinr)[:, 0].mean(axis=1))
    np.testing.assert_allclose(got.description["fading_db"], faded_db, atol=0.00501)
    assert got.description["los"].dtype == np.bool_ and got.description["serving"].dtype == np.int8


def test_nothing_is_sent_while_a_handover_interrupts() -> None:
    radio = replace(PLAIN, base=replace(PLAIN.base, handover=Handover(interruption_ns=50_200_000)))
    for direction, pattern in zip(DIRECTIONS, ([0, 0, 0, 0, 14], [13, 13, 13, 9, 0]), strict=True):
        got = receive(radio, direction)
        interrupted = np.zeros(SLOTS, dtype=np.bool_)
        for begin_ns, end_ns in propagation_of(radio).interruptions_ns:
            interrupted[begin_ns // SLOT_NS : -(-end_ns // SLOT_NS)] = True
        assert 101 <= interrupted.sum() < SLOTS
        np.testing.assert_array_equal(got.received.symbols, np.where(interrupted, 0, np.tile(pattern, SLOTS // 5)))


LOADED = replace(PLAIN.base, load=0.5, noise_rise_db=None, load_period_ns=90_000_000)
FULL = replace(PLAIN, base=LOADED, fading=Fading("auto"), bursts=Bursts(15.0, 3_000_000, 9_000_000))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 5_999), max_size=6), st.sampled_from(["uplink", "downlink"]))
def test_values_do_not_depend_on_how_slots_are_split(cuts: list[int], direction: Direction) -> None:
    whole = receive(FULL, direction, slots=6_000)
    signal = Signal(FULL, WAY, 4, "ue1", direction)
    places = sorted({0, 6_000, *cuts})
    parts = [signal.next_slots(stop - first) for first, stop in itertools.pairwise(places)]
    np.testing.assert_array_equal(np.concatenate([part.received.sinr for part in parts]), whole.received.sinr)
    np.testing.assert_array_equal(np.concatenate([part.received.symbols for part in parts]), whole.received.symbols)
    for name, values in whole.description.items():
        np.testing.assert_array_equal(np.concatenate([part.description[name] for part in parts]), values)


def test_bursts_add_their_power_while_they_last() -> None:
    """Half of the time 20 dB over the noise: the SINR falls by 10 log10(1 + 100 share)."""
    lone = replace(PLAIN, base=LONE)
    bursts = replace(lone, bursts=Bursts(20.0, 40_000_000, 40_000_000))
    for direction in DIRECTIONS:
        clear, disturbed = (receive(radio, direction, slots=6_000) for radio in (lone, bursts))
        share = (clear.received.sinr[:, 0, 0] / disturbed.received.sinr[:, 0, 0] - 1) / 100
        assert share.min() > -1e-12 and share.max() < 1 + 1e-9
        inside = (share > 1e-9) & (share < 1 - 1e-9)
        assert inside.sum() <= 2 * 6_000 * SLOT_NS / 40_000_000
        assert 0.05 < share.mean() < 0.95


def test_a_tdd_carrier_fades_the_same_both_ways_and_an_fdd_one_does_not() -> None:
    """Lone site, TDL-C: fading of both directions in dB; 15 m/s crosses half a wavelength in 6 slots."""
    radio = replace(PLAIN, base=LONE, fading=Fading("tdl-c", 100.0))
    up, down = (receive(radio, propagation_of).description["fading_db"] for propagation_of in DIRECTIONS)
    np.testing.assert_array_equal(up, down)
    fdd = replace(radio, carrier=Carrier(tdd=""))
    up, down = (receive(fdd, propagation_of).description["fading_db"] for propagation_of in DIRECTIONS)
    independent = SLOTS * SLOT_NS * 1e-9 * 15 / 0.0857  # wavelengths travelled
    assert abs(np.corrcoef(up, down)[0, 1]) < 4 / np.sqrt(independent)
    assert np.ptp(up) > 3


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_layers_share_the_power_and_each_costs_an_antenna(direction: Direction) -> None:
    """Four antennas and correlation 0.5: 1, and for two and three layers 3 of 4 and 2 of 4 antennas at 1 / r of the
    power, times the inverse of [R^-1]_kk, 4/3 and 3/2. There is no fourth layer, as a sender has three."""
    fading = Fading("none", correlation=0.5, los_correlation=0.5)
    radio = Radio(carrier=Carrier(layers=3), ue=Ue(layers=3), fading=fading)
    sinr = receive(radio, direction, slots=100).received.sinr
    assert sinr.shape == (100, 3, 14)
    expected = np.array([1, 3 / 4 / 2 / (4 / 3), 2 / 4 / 3 / (3 / 2)])
    np.testing.assert_allclose(sinr / sinr[:, :1], np.broadcast_to(expected[:, None], sinr.shape))


def test_line_of_sight_has_a_correlation_of_its_own() -> None:
    """1 - c^2 is left to each of two layers: 0.84 with correlation 0.4, 0.36 with 0.8."""
    radio = Radio(fading=Fading("none", correlation=0.4, los_correlation=0.8), ue=Ue(antennas=3))
    got = receive(radio, "downlink")
    los = got.description["los"]
    assert 0.05 < los.mean() < 0.95
    ratio = got.received.sinr[:, 1, 0] / got.received.sinr[:, 0, 0]
    np.testing.assert_allclose(ratio, np.where(los, 0.36, 0.84) / 2 * 2 / 3)


def test_a_ue_has_power_for_some_resource_blocks() -> None:
    """P0 -90 dBm and 0.9 of the loss a block of 30 kHz: 10 lg(2) more than of 15 kHz; of 15 dBm in all."""
    radio = replace(PLAIN, ue=replace(TWO, p0_dbm=-90.0, alpha=0.9, tx_power_dbm=15.0))
    got, found = receive(radio, "uplink"), propagation_of(radio)
    loss_db = coupling_db(found)[serving(found), np.arange(SLOTS)]
    limit = 10 ** ((15 + 90 - decibels(np.array(2.0)) - 0.9 * loss_db) / 10)
    np.testing.assert_allclose(got.received.limit_prbs, limit, rtol=1e-9)
    assert limit.min() < 106 < limit.max()
    assert (receive(radio, "downlink", slots=100).received.limit_prbs == UNLIMITED_PRBS).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"carrier": Carrier(layers=5)}, "carrier.layers=5: must be 1 to 4"),
        ({"ue": Ue(layers=0)}, "ue.layers=0: must be 1 to 4"),
        ({"ue": Ue(antennas=0)}, "ue.antennas=0: must be 1 to 64"),
        ({"base": Base(antennas=65)}, "base.antennas=65: must be 1 to 64"),
        ({"fading": Fading(correlation=1.0)}, "fading.correlation=1.0: must be at least 0 and below 1"),
        ({"fading": Fading(los_correlation=-0.1)}, "fading.los_correlation=-0.1: must be at least 0 and below 1"),
    ],
)
def test_bad_antennas_and_layers_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        receive(replace(PLAIN, **change), "downlink", slots=10)


def test_a_ue_in_a_building_is_never_in_line_of_sight() -> None:
    """`auto` is TDL-C there, with the spread of the table's O2I column: 240 ns in UMi."""
    inside = replace(PLAIN, base=LONE, ue=replace(TWO, penetration="low"), fading=Fading("auto"))
    as_c = replace(inside, fading=Fading("tdl-c", 1e9 * 10**-6.62))
    got, expected = (receive(radio, "downlink", static(30.0, 0.0), 4_000) for radio in (inside, as_c))
    np.testing.assert_allclose(got.description["fading_db"], expected.description["fading_db"], atol=0.0101)


def test_layers_into_a_building_are_correlated_as_out_of_sight() -> None:
    inside = replace(PLAIN, carrier=Carrier(layers=2), base=LONE, ue=replace(TWO, penetration="low"))
    other = replace(inside, fading=replace(inside.fading, los_correlation=0.0))
    got, expected = (receive(radio, "downlink", static(30.0, 0.0), 100) for radio in (inside, other))
    assert got.description["los"].all()
    np.testing.assert_array_equal(got.received.sinr, expected.received.sinr)
