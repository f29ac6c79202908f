"""Antenna gain, compared with TR 38.901 Table 7.3-1 and with explicit beams of explicit elements."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.channel.large_scale.antenna import Directions, antenna_gain, directions
from emulator.channel.large_scale.propagation import propagate
from emulator.channel.large_scale.track import static, waypoints
from emulator.channel.radio import Array, Base, Radio, Ue
from emulator.core.arrays import Floats


def gains(array: Array | None, azimuth_deg: Floats | float, zenith_deg: Floats | float) -> tuple[Floats, Floats]:
    angles = np.broadcast_arrays(np.radians(azimuth_deg), np.radians(zenith_deg))
    return antenna_gain(Base(antenna_gain_db=8.0, array=array), Directions(*angles))


@pytest.mark.parametrize(
    ("azimuth_deg", "zenith_deg", "loss_db"),
    [
        (0, 90, 0),
        (32.5, 90, 3),
        (-32.5, 90, 3),
        (65, 90, 12),
        (110, 90, 30),
        (180, 90, 30),
        (0, 90 + 32.5, 3),
        (0, 25, 12),
        (32.5, 90 - 32.5, 6),
        (90, 90, 12 * (90 / 65) ** 2),
        (100, 45, 30),
    ],
)
def test_one_element_has_the_pattern_of_the_table(azimuth_deg: float, zenith_deg: float, loss_db: float) -> None:
    """A_H and A_V are 12 (angle / 65)^2 dB, each and together at most 30 dB; the panel looks to 30 degrees."""
    serving_db, interfering_db = gains(Array(sectors=1), 30.0 + azimuth_deg, zenith_deg)
    assert serving_db == pytest.approx(8 - loss_db)
    assert interfering_db == pytest.approx(8 - loss_db)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (8, 1), (4, 8), (16, 16)])
@pytest.mark.parametrize("tilt_deg", [0.0, 8.0])
def test_a_beams_peak_has_the_arrays_gain(rows: int, columns: int, tilt_deg: float) -> None:
    for boresight_deg in (30.0, 150.0, 270.0):
        serving_db, _ = gains(Array(rows, columns, 3, tilt_deg), boresight_deg, 90 + tilt_deg)
        assert serving_db == pytest.approx(8 + 10 * np.log10(rows * columns))


def by_elements(array: Array, towards: Floats) -> Floats:
    """Power gain of every beam of every panel towards a unit vector, shape (panels, rows, columns): elements in space,
    phases of a plane wave, weights of a discrete Fourier transform."""
    powers = []
    for sector in range(array.sectors):
        turn, tilt = np.radians(30 + sector * 360 / array.sectors), np.radians(array.tilt_deg)
        front = np.array([np.cos(turn) * np.cos(tilt), np.sin(turn) * np.cos(tilt), -np.sin(tilt)])
        left = np.array([-np.sin(turn), np.cos(turn), 0.0])
        up = np.cross(front, left)
        x, y, z = front @ towards, left @ towards, up @ towards
        sideways_deg, upwards_deg = np.degrees(np.arctan2(y, x)), np.degrees(np.arcsin(z))
        each_db = np.minimum([12 * (sideways_deg / 65) ** 2, 12 * (upwards_deg / 65) ** 2], 30)
        pattern_db = 8 - np.minimum(each_db.sum(), 30)
        for beam in np.ndindex(array.rows, array.columns):
            field = 0j
            for row, column in np.ndindex(array.rows, array.columns):
                phase = 2 * np.pi * (0.5 * (row * up + column * left) @ towards)
                weight = 2 * np.pi * (row * beam[0] / array.rows + column * beam[1] / array.columns)
                field += np.exp(1j * (phase - weight))
            powers.append(10 ** (pattern_db / 10) * abs(field) ** 2 / (array.rows * array.columns))
    return np.array(powers).reshape(array.sectors, array.rows, array.columns)


@settings(max_examples=60, deadline=None)
@given(
    st.builds(Array, st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.floats(-20, 40)),
    st.floats(-180, 180),
    st.floats(1, 179),
)
def test_the_best_beam_serves_and_interference_has_the_mean_of_the_best_row(
    array: Array, azimuth_deg: float, zenith_deg: float
) -> None:
    azimuth, zenith = np.radians(azimuth_deg), np.radians(zenith_deg)
    towards = np.array([np.sin(zenith) * np.cos(azimuth), np.sin(zenith) * np.sin(azimuth), np.cos(zenith)])
    powers = by_elements(array, towards)
    serving_db, interfering_db = gains(array, azimuth_deg, zenith_deg)
    assert serving_db == pytest.approx(10 * np.log10(powers.max()), abs=1e-6)
    of_panels = powers.mean(axis=2).max(axis=1)
    assert interfering_db == pytest.approx(10 * np.log10(of_panels.mean()), abs=1e-6)


def test_directions_are_those_of_places() -> None:
    away_m = np.array([[10.0, 0.0], [0.0, 10.0], [-3.0, -3.0], [0.0, 0.0]])
    azimuth, zenith = directions(away_m, -10.0)
    np.testing.assert_allclose(np.degrees(azimuth), [0, 90, -135, 0])
    np.testing.assert_allclose(np.degrees(zenith)[[0, 1, 3]], [135, 135, 180])


def test_without_an_array_the_gain_is_the_same_everywhere() -> None:
    for gain_db in gains(None, np.arange(360.0), 90.0):
        np.testing.assert_array_equal(gain_db, np.full(360, 8.0))


def test_gains_along_a_track_are_those_of_its_places() -> None:
    """Around one site, 10 m below it: losses are those without an array, gains those of the angles."""
    plain = Radio(base=Base(sites_m=((5.0, 0.0), (300.0, 10.0)), height_m=11.5), ue=Ue(antenna_gain_db=4.0))
    radio = replace(plain, base=replace(plain.base, array=Array(4, 4, 3, 10.0)))
    way = waypoints(((50.0, -50.0), (50.0, 50.0), (-40.0, 50.0)), 10.0)
    found, flat = (propagate(each, way, 19 * 10**9, 3, "ue") for each in (radio, plain))
    np.testing.assert_array_equal(found.path_loss_db, flat.path_loss_db)
    np.testing.assert_array_equal(flat.serving_gain_db, np.full(flat.serving_gain_db.shape, 12.0))
    np.testing.assert_array_equal(flat.interfering_gain_db, np.full(flat.serving_gain_db.shape, 8.0))
    corner = propagate(radio, static(50.0, 50.0), 10**9, 3, "ue")
    for site, (x, y) in enumerate(radio.base.sites_m):
        angle, distance_m = np.degrees(np.arctan2(50 - y, 50 - x)), np.hypot(50 - x, 50 - y)
        best_db, mean_db = gains(radio.base.array, angle, 90 + np.degrees(np.arctan2(10.0, distance_m)))
        assert corner.serving_gain_db[site, 0] == pytest.approx(best_db + 4)
        assert corner.interfering_gain_db[site, 0] == pytest.approx(mean_db)
        row = int(np.searchsorted(found.at_ns, 10 * 10**9))  # after 100 m
        assert found.serving_gain_db[site, row] == pytest.approx(best_db + 4, abs=0.1)


def test_a_loss_of_the_ue_is_one_of_interference_too() -> None:
    lossy = propagate(Radio(ue=Ue(antenna_gain_db=-3.0)), static(50.0, 0.0), 10**9, 3, "ue")
    assert lossy.serving_gain_db[0, 0] == lossy.interfering_gain_db[0, 0] == 5.0


def test_the_strongest_beam_serves() -> None:
    """The gain counts: the nearer site has its UE between two panels."""
    radio = Radio(base=Base(sites_m=((0.0, 0.0), (200.0, 0.0)), array=Array(1, 8)))
    for seed in range(10):
        found = propagate(radio, static(95.0, 0.0), 10**9, seed, "ue")
        strength_db = found.serving_gain_db - found.path_loss_db - found.shadowing_db
        assert found.serving_site.tolist() == [int(np.argmax(strength_db))]
