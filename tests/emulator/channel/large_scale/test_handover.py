"""Handovers, compared with a direct implementation of event A3 with time to trigger."""

from itertools import pairwise, takewhile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.channel.large_scale.handover import HandoverDecider, filter_weight
from emulator.channel.radio import FILTER_COEFFICIENTS, Handover
from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import generator

MS_NS = 1_000_000
DURATION_NS = 3000 * MS_NS


PLAIN = Handover(3.0, 160 * MS_NS, 40 * MS_NS, 50 * MS_NS, filter_coefficient=0)


def filtered(settings: Handover, measured_db: Floats) -> Floats:
    """The layer 3 filter as a weighted sum of measurements, shape (sites, measurements); the first counts as if it had
    been measured forever."""
    keep = (1 - 2 ** (-settings.filter_coefficient / 4)) ** (settings.measurement_ns / (200 * MS_NS))
    ages = np.subtract.outer(np.arange(measured_db.shape[1]), np.arange(measured_db.shape[1]))
    weights = np.where(ages >= 0, (1 - keep) * keep ** np.maximum(ages, 0.0), 0.0)
    weights[:, 0] = keep ** np.arange(measured_db.shape[1])
    return measured_db @ weights.T


def by_definition(settings: Handover, at_ns: Ints, strength_db: Floats) -> list[tuple[int, int]]:
    """Instant and site of each handover: at each measurement, how long the unbroken run of measurements is, back
    from it to the last handover's end, at which a site was better."""
    instants = range(0, DURATION_NS, settings.measurement_ns)
    measured_db = np.stack([strength_db[:, np.flatnonzero(at_ns <= now)[-1]] for now in instants], axis=1)
    at = dict(zip(instants, filtered(settings, measured_db).T, strict=True))
    serving, fresh_ns = int(np.argmax(strength_db[:, 0])), 0
    changes: list[tuple[int, int]] = []
    for now in instants:
        measured = [then for then in reversed(instants) if fresh_ns <= then <= now]
        ripe: list[int] = []
        for site in range(len(strength_db)):
            bar_db = {then: at[then][serving] + settings.hysteresis_db for then in measured}
            run = list(takewhile(lambda then: at[then][site] > bar_db[then], measured))  # noqa: B023  (used up at once)
            if site != serving and run and now - run[-1] >= settings.time_to_trigger_ns:
                ripe.append(site)
        if ripe:
            serving = max(ripe, key=lambda site: at[now][site])
            fresh_ns = now + max(1, settings.interruption_ns)
            changes.append((now, serving))
    return changes


def ways(seed: int, sites: int, step_ns: int) -> tuple[Ints, Floats]:
    """Strengths that wander as of a UE that moves, held from each instant to the next."""
    at_ns = np.arange(0, DURATION_NS, step_ns)
    steps_db = generator(seed, "test", "strength").normal(0, 2.0, (sites, len(at_ns)))
    return at_ns, np.cumsum(steps_db, axis=1)


settings_of = st.builds(
    Handover,
    hysteresis_db=st.sampled_from([0.0, 2.0, 5.0]),
    time_to_trigger_ns=st.sampled_from([0, 40 * MS_NS, 100 * MS_NS, 160 * MS_NS]),
    measurement_ns=st.sampled_from([40 * MS_NS, 33 * MS_NS]),
    interruption_ns=st.sampled_from([0, 50 * MS_NS, 400 * MS_NS]),
    filter_coefficient=st.sampled_from([0, 1, 4, 9]),
)


@given(
    settings=settings_of,
    seed=st.integers(0, 999),
    sites=st.integers(1, 4),
    step_ms=st.integers(7, 90),
    cuts=st.lists(st.integers(1, DURATION_NS - 1), max_size=4, unique=True),
)
def test_handovers_equal_the_definition_however_time_is_split(
    settings: Handover, seed: int, sites: int, step_ms: int, cuts: list[int]
) -> None:
    at_ns, strength_db = ways(seed, sites, step_ms * MS_NS)
    expected = by_definition(settings, at_ns, strength_db)
    decider = HandoverDecider(settings, strength_db[:, 0])
    found: list[tuple[int, int]] = []
    serving_before = int(np.argmax(strength_db[:, 0]))
    for from_ns, until_ns in pairwise([0, *sorted(cuts), DURATION_NS]):
        serving, pauses_ns = decider.decide(at_ns, strength_db, from_ns, until_ns)
        assert (serving.from_ns[0], serving.site[0]) == (from_ns, serving_before)
        found += [(int(now), int(site)) for now, site in zip(serving.from_ns[1:], serving.site[1:], strict=True)]
        serving_before = int(serving.site[-1])
        touching = [
            [max(from_ns, now), now + settings.interruption_ns]
            for now, _ in found
            if now + settings.interruption_ns > from_ns or now >= from_ns
        ]
        assert pauses_ns.tolist() == touching
    assert found == expected


def test_a_handover_follows_a_crossing_after_hysteresis_and_time_to_trigger() -> None:
    """The second site gains 1 dB each 100 ms from -10 dB on: 3 dB better after 1300 ms, so more than that at the
    measurement at 1400 ms (steps are held), and for 160 ms at the one at 1560 ms."""
    at_ns = np.arange(0, DURATION_NS, 100 * MS_NS)
    strength_db = np.stack([np.zeros(len(at_ns)), np.arange(len(at_ns)) - 10.0])
    serving, pauses_ns = HandoverDecider(PLAIN, strength_db[:, 0]).decide(at_ns, strength_db, 0, DURATION_NS)
    assert serving.from_ns.tolist() == [0, 1560 * MS_NS]
    assert serving.site.tolist() == [0, 1]
    assert pauses_ns.tolist() == [[1560 * MS_NS, 1610 * MS_NS]]


def test_a_short_peak_causes_no_handover() -> None:
    at_ns = np.array([0, 400, 520]) * MS_NS
    strength_db = np.array([[0.0, 0.0, 0.0], [-5.0, 20.0, -5.0]])
    serving, pauses_ns = HandoverDecider(PLAIN, strength_db[:, 0]).decide(at_ns, strength_db, 0, DURATION_NS)
    assert serving.site.tolist() == [0]
    assert pauses_ns.shape == (0, 2)


@pytest.mark.parametrize("coefficient", FILTER_COEFFICIENTS)
def test_the_filter_weighs_as_the_standard_and_keeps_its_time_constant(coefficient: int) -> None:
    """TS 38.331 5.5.3.2: a = 1 / 2^(k/4) at 200 ms; five measurements at 40 ms, or a fifth of one at 1 s, keep as much
    of the past."""
    forgets = {
        ms: filter_weight(Handover(measurement_ns=ms * MS_NS, filter_coefficient=coefficient)) for ms in (40, 200, 1000)
    }
    assert forgets[200] == pytest.approx(2 ** (-coefficient / 4))
    assert (1 - forgets[40]) ** 5 == pytest.approx(1 - forgets[200])
    assert 1 - forgets[1000] == pytest.approx((1 - forgets[200]) ** 5)


@pytest.mark.parametrize("coefficient", [1, 4, 8, 13])
@pytest.mark.parametrize("measurement_ms", [10, 40, 200])
def test_a_step_is_followed_after_the_filters_delay(coefficient: int, measurement_ms: int) -> None:
    """A site that gains 12.5 dB at once is 3 dB above another of the same strength at the n-th measurement, n the least
    with 12.5 (1 - (1 - a')^n) > 3, also if this is in another interval than the step."""
    settings = Handover(3.0, 0, measurement_ms * MS_NS, 0, coefficient)
    at_ns, strength_db = np.array([0, 1]), np.array([[0.0, 0.0], [0.0, 12.5]])
    decider = HandoverDecider(settings, strength_db[:, 0])
    found = [
        decider.decide(at_ns, strength_db, from_ns, from_ns + 50 * MS_NS)[0]
        for from_ns in range(0, DURATION_NS, 50 * MS_NS)
    ]
    kept = (1 - 2 ** (-coefficient / 4)) ** (measurement_ms / 200)
    number = int(np.floor(np.log(1 - 3 / 12.5) / np.log(kept))) + 1
    changes = [(now, site) for part in found for now, site in zip(part.from_ns[1:], part.site[1:], strict=True)]
    assert changes == [(number * measurement_ms * MS_NS, 1)]
