"""Load of neighbours and the interference of their UEs, against sums in loops, closed forms and what must hold."""

import math
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.channel.generate import generate
from emulator.channel.large_scale import neighbours
from emulator.channel.large_scale.neighbours import Activity, UplinkInterference, draw_places
from emulator.channel.large_scale.propagation import propagate
from emulator.channel.large_scale.track import static
from emulator.channel.radio import Array, Base, Direction, Environment, Radio, Ue
from emulator.core.arrays import Floats, Ints
from emulator.core.draws import uniform
from emulator.core.randomness import draw_key, generator

MS, SECOND_NS, SLOT_NS = 1_000_000, 10**9, 500_000
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
NEAR_M = {"inh-mixed": 20.0, "inh-open": 20.0, "inf-sl": 30.0, "inf-dl": 30.0, "inf-sh": 30.0, "inf-dh": 30.0}


def layout(between_m: float, load: float = 0.5, **settings: Any) -> Base:
    """A site with six about it."""
    six = [(between_m * math.cos(k * math.pi / 3), between_m * math.sin(k * math.pi / 3)) for k in range(6)]
    return replace(Base(sites_m=((0.0, 0.0), *six), load=load), **settings)


def slots(count: int) -> Ints:
    return np.arange(count, dtype=np.int64) * SLOT_NS


def is_on(base: Base, seed: int, site: int, now_ns: int) -> bool:
    """By definition: the draw of the site's period, whose start is drawn too."""
    name = f"site {[float(metres) for metres in base.sites_m[site]]}"
    lead_ns = int(generator(seed, name, "load").random() * base.load_period_ns)
    period = (now_ns + lead_ns) // base.load_period_ns
    return uniform(draw_key(seed, name, "load"), period, 0, 0) < base.load


@pytest.mark.parametrize("load", [0.0, 0.3, 1.0])
def test_a_site_is_on_for_its_load_in_whole_periods(load: float) -> None:
    base = layout(200.0, load, load_period_ns=40 * MS)
    on = Activity(base, 7).on(slots(200_000))
    for site in range(7):
        some = np.random.default_rng(site).integers(0, 200_000, 30).tolist()
        assert [is_on(base, 7, site, now * SLOT_NS) for now in some] == on[site, some].tolist()
        changes = np.flatnonzero(np.diff(on[site])) + 1
        assert len(set((changes % 80).tolist())) <= 1
    periods = 7 * 2_500
    assert on.mean() == pytest.approx(load, abs=4 * np.sqrt(load * (1 - load) / periods))
    if 0 < load < 1:
        starts = {int(np.flatnonzero(np.diff(each))[0] + 1) % 80 for each in on}
        assert len(starts) > 3  # sites change apart


def by_sums(radio: Radio, seed: int, of: UplinkInterference, site: int, count: int) -> Floats:
    """The interference slot by slot, site by site."""
    names = [f"site {[float(metres) for metres in place]}" for place in radio.base.sites_m]
    total_mw = np.zeros(count)
    for slot in range(count):
        for other in range(len(names)):
            if other == site or not is_on(radio.base, seed, other, slot * SLOT_NS):
                continue
            draw = uniform(draw_key(seed, names[other], "uplink turns"), slot // 10, 0, 0)
            total_mw[slot] += of.received_mw[other, int(draw * of.ues[other]), site]
    return total_mw


@pytest.mark.parametrize("site", [0, 3])
def test_uplink_interference_is_the_sum_over_sites_that_are_on(site: int) -> None:
    radio = Radio(base=layout(200.0, 0.4, load_period_ns=30 * MS))
    found = UplinkInterference(radio, 5)
    here = np.full(1_000, site)
    expected = by_sums(radio, 5, found, site, 1_000)
    np.testing.assert_allclose(found.at(here, slots(1_000)), expected, rtol=1e-12)
    later = found.at(here[400:], slots(1_000)[400:])
    np.testing.assert_array_equal(later, found.at(here, slots(1_000))[400:])


@pytest.mark.parametrize("load", [0.2, 0.7])
def test_mean_and_variance_over_time_follow_from_load_and_population(load: float) -> None:
    """Periods as long as turns: each turn is a draw. Mean load x mean of P, variance load x mean of P^2 minus its
    square, both summed over the sites."""
    radio = Radio(base=layout(300.0, load, load_period_ns=5 * MS))
    found = UplinkInterference(radio, 2)
    turns = 40_000
    interference_mw = found.at(np.zeros(turns, np.int64), np.arange(turns, dtype=np.int64) * 5 * MS)
    mean = variance = fourth = 0.0
    for other in range(1, 7):
        each_mw = found.received_mw[other, : found.ues[other], 0]
        moments = [load * float(np.mean(each_mw**power)) for power in (1, 2, 4)]
        mean += moments[0]
        variance += moments[1] - moments[0] ** 2
        fourth += moments[2]
    assert interference_mw.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / turns))
    spread = np.sqrt((fourth + 2 * variance**2) / turns)  # of the variance; its kurtosis at most
    assert interference_mw.var() == pytest.approx(variance, abs=4 * spread)


def test_one_neighbour_with_its_ues_at_one_place_has_a_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """UEs at (230, 30), power control to the site at (250, 0): the propagation of a UE that stands there."""
    radio = Radio(
        base=Base(sites_m=((0.0, 0.0), (250.0, 0.0)), load=1.0, array=Array(2, 4, 3, 5.0)),
        ue=Ue(p0_dbm=-95.0, alpha=0.7, antenna_gain_db=-2.0),
    )
    monkeypatch.setattr(neighbours, "draw_places", lambda *_: np.tile([[230.0, 30.0]], (128, 1)))
    for seed in range(5):
        found = propagate(radio, static(230.0, 30.0), SECOND_NS, seed, "another")
        loss_db = (found.path_loss_db + found.shadowing_db)[:, 0]
        to_own_db, to_other_db = loss_db[1] - found.serving_gain_db[1, 0], loss_db[0] - found.interfering_gain_db[0, 0]
        sent_dbm = min(23.0, -95 + 10 * math.log10(2 * 106) + 0.7 * to_own_db) - 10 * math.log10(106 * 12)
        got_mw = UplinkInterference(radio, seed).at(np.zeros(3, np.int64), slots(3))
        serves = to_own_db <= loss_db[0] - found.serving_gain_db[0, 0]
        np.testing.assert_allclose(got_mw, serves * 10 ** ((sent_dbm - to_other_db) / 10), rtol=1e-9)
        assert serves


def test_ues_are_where_their_site_is_strongest() -> None:
    """As many as places at which it is, whose power a UE there would have; a lone site has none."""
    radio = Radio(base=layout(200.0))
    found = UplinkInterference(radio, 3)
    for site in (0, 4):
        places_m = draw_places(radio.base.sites_m, site, 3)
        seen = [propagate(radio, static(x, y), 1, 3, "ue") for x, y in places_m.tolist()]
        assert found.ues[site] == sum(each.serving_site[0] == site for each in seen)
        assert 40 < found.ues[site] < 128
        assert not found.received_mw[site, found.ues[site] :].any()
    lone = UplinkInterference(Radio(), 3)
    assert not lone.at(np.zeros(50, np.int64), slots(50)).any()


def test_places_fill_a_disc_evenly() -> None:
    """Radius 200 m over sqrt(3): squared distance and angle are uniform."""
    base = layout(200.0)
    away_m = np.concatenate([draw_places(base.sites_m, 0, seed) for seed in range(50)])
    share = (away_m**2).sum(axis=1) / (200**2 / 3)
    assert 0.999 < share.max() <= 1
    assert share.mean() == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / len(share)))
    assert np.abs(away_m.mean(axis=0)).max() < 4 * 200 / np.sqrt(3) / 2 / np.sqrt(len(share))
    beyond = draw_places(base.sites_m, 2, 1) - np.array(base.sites_m[2])
    assert np.hypot(*beyond.T).max() <= 200 / np.sqrt(3)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(ENVIRONMENTS), st.integers(0, 1000), st.floats(0, 1), st.floats(0, 1))
def test_more_load_never_lowers_interference_in_any_slot(
    environment: Environment, seed: int, one: float, two: float
) -> None:
    low, high = (
        UplinkInterference(Radio(base=layout(100.0, load, environment=environment, load_period_ns=20 * MS)), seed)
        for load in sorted((one, two))
    )
    here, at_ns = np.zeros(400, np.int64), slots(400)
    assert (low.at(here, at_ns) <= high.at(here, at_ns)).all()


def mean_rates(base: Base, direction: Direction, distance_m: float, seeds: int) -> Floats:
    place = static(distance_m * math.cos(0.3), distance_m * math.sin(0.3))
    made = [generate(Radio(base=base), place, 2 * SECOND_NS, seed, "ue", direction) for seed in range(seeds)]
    return np.array([each.mean_rate_bps for each in made])


@pytest.mark.parametrize("direction", get_args(Direction))
@pytest.mark.parametrize("between_m", [200.0, 500.0])
def test_six_loaded_neighbours_lower_the_mean_rate(direction: Direction, between_m: float) -> None:
    """A UE at 100 m in UMi, mean of eight streets: at 200 m a neighbour may be as near as its own site."""
    rates = [mean_rates(Base(), direction, 100.0, 8)]
    rates += [mean_rates(layout(between_m, load), direction, 100.0, 8) for load in (0.3, 0.6, 1.0)]
    means = [float(each.mean()) for each in rates]
    assert means == sorted(means, reverse=True)
    assert means[-1] < 0.9 * means[0]


@pytest.mark.parametrize("direction", get_args(Direction))
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_more_loaded_neighbours_never_raise_a_ues_mean_rate(environment: Environment, direction: Direction) -> None:
    """With the same sites, the link adapts to a lower SINR in each slot. It follows changes late, and fewer of them
    at full load, so a rate may rise by some percent where only the changes cost."""
    near_m = NEAR_M.get(environment, 200.0)
    low, middle, high = (
        mean_rates(layout(near_m, load, environment=environment), direction, near_m / 3, 3) for load in (0.0, 0.5, 1.0)
    )
    assert (middle <= 1.03 * low).all() and (high <= 1.03 * middle).all()
