"""Propagation by TR 38.901; many sites around one place are independent draws."""

from dataclasses import replace
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from emulator.channel.large_scale.environment import environment_parameters
from emulator.channel.large_scale.path_loss import Geometry, los_probability, path_loss_db, shadowing_sigma_db
from emulator.channel.large_scale.propagation import Propagation, PropagationStream, propagate
from emulator.channel.large_scale.track import static, to_and_fro, waypoints
from emulator.channel.radio import Array, Base, Carrier, Environment, Handover, Penetration, Radio, Ue

SECOND_NS = 10**9
SITES = 600
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
THREE = Radio(base=Base(sites_m=((0.0, 0.0), (200.0, 0.0), (100.0, 170.0))))
ROUND = ((10.0, 20.0), (150.0, 20.0), (150.0, 120.0))


def ring(environment: Environment, radius_m: float, penetration: Penetration = "none") -> Radio:
    """Return settings with independent sites in a circle around the origin."""
    angles = np.arange(SITES) * 2 * np.pi / SITES
    sites_m = tuple((float(x), float(y)) for x, y in radius_m * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    base = Base(environment=environment, sites_m=sites_m, site_correlation=0.0, sight_correlation=0.0)
    return Radio(base=base, ue=Ue(penetration=penetration))


def geometry_of(radio: Radio) -> Geometry:
    base_m = environment_parameters(radio.base.environment).base_height_m
    return Geometry(base_m, radio.ue.height_m, radio.carrier.carrier_hz)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize(("radius_m", "seed"), [(12.0, 1), (30.0, 2), (120.0, 3)])
def test_sight_path_loss_and_shadowing_have_their_distributions(
    environment: Environment, radius_m: float, seed: int
) -> None:
    """The share of sites in sight is the probability. The path loss is that of the state, in a transition between both;
    shadowing has the normal law of the state, in a transition with a variance between both."""
    radio = ring(environment, radius_m)
    found = propagate(radio, static(0, 0), SECOND_NS, seed, "ue")
    geometry, los, distances_m = geometry_of(radio), found.los[:, 0], np.full(SITES, radius_m)
    probable = float(los_probability(environment, distances_m[:1], geometry)[0])
    assert los.mean() == pytest.approx(probable, abs=4 * np.sqrt(probable * (1 - probable) / SITES))
    assert found.distance_m[:, 0] == pytest.approx(np.hypot(radius_m, geometry.base_height_m - 1.5))
    clear, weight = np.ones(SITES, np.bool_), found.sight[:, 0]
    losses_db, sigmas_db = (
        [of(environment, distances_m, geometry, state) for state in (clear, ~clear)]
        for of in (path_loss_db, shadowing_sigma_db)
    )
    np.testing.assert_allclose(found.path_loss_db[:, 0], weight * losses_db[0] + (1 - weight) * losses_db[1])
    variance = weight * sigmas_db[0] ** 2 + (1 - weight) * sigmas_db[1] ** 2
    deviates = found.shadowing_db[:, 0] / np.sqrt(variance)
    state = np.where(los, losses_db[0], losses_db[1])
    assert found.path_loss_db[:, 0].mean() == pytest.approx(state.mean(), abs=0.1 + 4 * state.std() / np.sqrt(SITES))
    assert stats.kstest(deviates, "norm").pvalue > 1e-3


@pytest.mark.parametrize(
    ("radius_m", "los", "correlation_m", "sigma_db"), [(8.0, True, 10.0, 4.0), (2500.0, False, 13.0, 7.82)]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_shadowing_along_a_track_has_its_correlation(
    radius_m: float, los: bool, correlation_m: float, sigma_db: float, seed: int
) -> None:
    radio = ring("umi", radius_m)
    found = propagate(radio, waypoints(((0.0, 0.0), (9.0, 0.0)), 1.0), 9 * SECOND_NS, seed, "ue")
    chosen = (found.sight == los).all(axis=1)
    assert chosen.sum() > 0.9 * SITES
    deviates = found.shadowing_db[chosen] / sigma_db
    for lag_m in (0.0, 0.5, 2.0, 5.0, 9.0):
        expected = np.exp(-lag_m / correlation_m)
        column = round(lag_m / 0.25)
        error = np.sqrt((1 + expected**2) / chosen.sum())
        assert (deviates[:, 0] * deviates[:, column]).mean() == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize(("environment", "sigma_db"), [("umi", 7.0), ("uma", 7.0), ("rma", 8.0)])
def test_a_ue_in_a_building(environment: Environment, sigma_db: float) -> None:
    """One penetration loss for all sites; O2I sigma of shadowing; line of sight by the outdoor distance."""
    radio = ring(environment, 60.0, "low")
    found = propagate(radio, static(0, 0), SECOND_NS, 1, "ue")
    outdoors = path_loss_db(environment, np.full(SITES, 60.0), geometry_of(radio), found.sight[:, 0])
    lost_db = found.path_loss_db[:, 0] - outdoors
    np.testing.assert_allclose(lost_db, lost_db[0])
    assert 0 < lost_db[0] < 50
    assert stats.kstest(found.shadowing_db[:, 0] / sigma_db, "norm").pvalue > 1e-3
    outside = propagate(ring(environment, 60.0), static(0, 0), SECOND_NS, 1, "ue")
    assert found.los.sum() >= outside.los.sum()
    other = propagate(radio, static(0, 0), SECOND_NS, 1, "another")
    assert other.path_loss_db[0, 0] != found.path_loss_db[0, 0]


def columns(found: Propagation) -> tuple[npt.NDArray[np.generic], ...]:
    return tuple(found)


def test_values_do_not_depend_on_how_time_is_split() -> None:
    track, duration_ns = to_and_fro(ROUND, 20.0, 60 * SECOND_NS, pause_ns=SECOND_NS), 60 * SECOND_NS
    often = replace(THREE, base=replace(THREE.base, handover=Handover(hysteresis_db=1.0, filter_coefficient=4)))
    whole = propagate(often, track, duration_ns, 5, "ue")
    journey = PropagationStream(often, track, 5, "ue")
    edges_ns = [0, 1, 999_999_937, 7 * SECOND_NS, 7 * SECOND_NS + 1, 41 * SECOND_NS, duration_ns]
    serving: list[tuple[int, int]] = []
    pauses: list[list[int]] = []
    for until_ns in edges_ns[1:]:
        stretch = journey.until(until_ns)
        rows = np.searchsorted(whole.at_ns, stretch.at_ns)
        assert np.array_equal(whole.at_ns[rows], stretch.at_ns)
        for name in ("distance_m", "path_loss_db", "shadowing_db", "sight"):
            assert np.array_equal(getattr(whole, name)[:, rows], getattr(stretch, name)), name
        for pair in zip(stretch.serving_from_ns.tolist(), stretch.serving_site.tolist(), strict=True):
            if not serving or pair[1] != serving[-1][1]:
                serving.append(pair)
        pauses += [pause for pause in stretch.interruptions_ns.tolist() if pause[0] not in edges_ns]
    assert serving == list(zip(whole.serving_from_ns.tolist(), whole.serving_site.tolist(), strict=True))
    assert pauses == whole.interruptions_ns.tolist()
    assert len(serving) > 5


def test_another_ue_changes_nothing() -> None:
    """A UE's own speed changes only the instants at which it reaches a place."""
    walk, drive = waypoints(ROUND, 2.0), waypoints(ROUND, 20.0)
    before = propagate(THREE, walk, 120 * SECOND_NS, 5, "ue 1")
    propagate(THREE, drive, 120 * SECOND_NS, 5, "ue 2")
    for one, again in zip(columns(before), columns(propagate(THREE, walk, 120 * SECOND_NS, 5, "ue 1")), strict=True):
        assert np.array_equal(one, again)
    faster = propagate(THREE, drive, 120 * SECOND_NS, 5, "ue 2")
    for name in ("distance_m", "path_loss_db", "shadowing_db", "sight"):
        assert np.array_equal(getattr(before, name), getattr(faster, name)), name


def test_another_site_changes_nothing_for_the_others() -> None:
    more = replace(THREE, base=replace(THREE.base, sites_m=((-50.0, 0.0), *THREE.base.sites_m)))
    before, after = (propagate(radio, waypoints(ROUND, 20.0), 12 * SECOND_NS, 5, "ue") for radio in (THREE, more))
    assert np.array_equal(before.shadowing_db, after.shadowing_db[1:])
    assert np.array_equal(before.sight, after.sight[1:])


def test_the_strongest_site_serves_first_and_cost_depends_on_the_track() -> None:
    for seed in range(20):
        found = propagate(THREE, static(100.0, 60.0), 3600 * SECOND_NS, seed, "ue")
        assert found.path_loss_db.shape == (3, 1)
        assert found.serving_site.tolist() == [int(np.argmin(found.path_loss_db + found.shadowing_db))]
    slow, fast = (propagate(THREE, waypoints(ROUND, v), 3600 * SECOND_NS, 1, "ue") for v in (0.1, 30.0))
    assert len(slow.at_ns) == len(fast.at_ns) == 4 * 240 + 1


def test_a_handover_interrupts_the_link() -> None:
    radio = replace(THREE, base=replace(THREE.base, handover=Handover(interruption_ns=30_000_000)))
    found = propagate(radio, waypoints(ROUND, 10.0), 24 * SECOND_NS, 5, "ue")
    assert len(found.serving_site) > 1
    assert np.array_equal(found.interruptions_ns[:, 0], found.serving_from_ns[1:])
    assert (np.diff(found.interruptions_ns, axis=1) == 30_000_000).all()


@pytest.mark.parametrize(
    ("radio", "message"),
    [
        (Radio(carrier=Carrier(carrier_hz=1e8)), "carrier.carrier_hz=1e+08: must be 0.5 to 100 GHz"),
        (Radio(ue=Ue(height_m=1.0)), "ue.height_m=1: must be at least 1.5 and at most 22.5"),
        (Radio(base=Base(height_m=1.0)), "base.height_m=1: must be at least 2 and at most 150"),
        (
            Radio(base=Base(environment="inf-dh", height_m=5.0)),
            "base.height_m=5: must be at least 6 and at most 150",
        ),
        (Radio(base=Base(load=1.5)), "base.load=1.5: must be at least 0 and at most 1"),
        (Radio(base=Base(load_period_ns=0)), "base.load_period_ns=0: must be at least 1"),
        (
            Radio(carrier=Carrier(carrier_hz=28e9)),
            "base.array=None: must be given in FR2, where all sites send in beams",
        ),
        (
            Radio(carrier=Carrier(carrier_hz=28e9), base=Base(array=Array())),
            "base.array.columns=1: must be above 1 with one row in FR2, where all sites send in beams",
        ),
        (Radio(base=Base(array=Array(rows=0))), "base.array.rows=0: must be at least 1 and at most 64"),
        (Radio(base=Base(array=Array(tilt_deg=91.0))), "base.array.tilt_deg=91: must be at least -90 and at most 90"),
        (Radio(base=Base(sites_m=())), "base.sites_m=(): must have at least one site"),
        (Radio(base=Base(sites_m=((0.0, np.inf),))), "base.sites_m=((0.0, inf),): must be finite"),
        (
            Radio(base=Base(environment="rma"), ue=Ue(penetration="high")),
            "ue.penetration=high: must be one of none, low",
        ),
        (
            Radio(base=Base(environment="inh-open"), ue=Ue(penetration="low")),
            "ue.penetration=low: must be one of none",
        ),
        (
            Radio(base=Base(handover=Handover(measurement_ns=0))),
            "base.handover.measurement_ns=0: must be at least 1",
        ),
        (
            Radio(base=Base(handover=Handover(hysteresis_db=-1.0))),
            "base.handover.hysteresis_db=-1.0: must be finite and at least 0",
        ),
        (
            Radio(base=Base(handover=Handover(filter_coefficient=10))),
            "base.handover.filter_coefficient=10: must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 17, 19",
        ),
        (
            Radio(base=Base(site_correlation=1.5)),
            "base.site_correlation=1.5: must be at least 0 and at most 1",
        ),
        (
            Radio(base=Base(sight_correlation=-0.1)),
            "base.sight_correlation=-0.1: must be at least 0 and at most 1",
        ),
        (
            Radio(base=Base(environment="moon")),  # type: ignore[arg-type]  # what is tested
            "environment='moon': must be one of umi, uma, rma, inh-mixed, inh-open, inf-sl, inf-dl, inf-sh, inf-dh",
        ),
    ],
)
def test_settings_outside_the_standard_are_refused(radio: Radio, message: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        propagate(radio, static(0, 0), SECOND_NS, 1, "ue")
    assert str(caught.value) == message
