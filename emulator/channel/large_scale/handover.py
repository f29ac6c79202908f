"""The serving site of a moving UE: layer 3 filter (TS 38.331 5.5.3.2), then event A3 (5.5.4.4) with time to trigger."""

from typing import NamedTuple

import numpy as np

from emulator.channel.radio import FILTER_COEFFICIENTS, Handover
from emulator.core.arrays import Floats, Ints
from emulator.core.compiled import compiled

NOT_STRONGER_NS = -1
FILTER_PERIOD_NS = 200_000_000  # between the samples that filterCoefficient assumes


class Serving(NamedTuple):
    """`site` serves from `from_ns` on, both of shape (h,)."""

    from_ns: Ints
    site: Ints


def require_valid(settings: Handover) -> None:
    """Raise ValueError, one line, if a time or the hysteresis is out of range."""
    if settings.measurement_ns < 1:
        raise ValueError(f"base.handover.measurement_ns={settings.measurement_ns}: must be at least 1")
    for name in ("hysteresis_db", "time_to_trigger_ns", "interruption_ns"):
        value = getattr(settings, name)
        if not 0 <= value < np.inf:
            raise ValueError(f"base.handover.{name}={value}: must be finite and at least 0")
    if settings.filter_coefficient not in FILTER_COEFFICIENTS:
        allowed = ", ".join(str(coefficient) for coefficient in FILTER_COEFFICIENTS)
        raise ValueError(f"base.handover.filter_coefficient={settings.filter_coefficient}: must be one of {allowed}")


def filter_weight(settings: Handover) -> float:
    """Return the weight a of a new measurement in the layer 3 filter F_n = (1 - a) F_(n-1) + a M_n: 1 / 2^(k/4) for a
    measurement each 200 ms; for another interval the weight with the same time constant (TS 38.331 5.5.3.2)."""
    periods = settings.measurement_ns / FILTER_PERIOD_NS
    return float(1 - (1 - 0.5 ** (settings.filter_coefficient / 4)) ** periods)


class HandoverDecider:
    """Decides the handovers of a UE, one part of its track after the other.

    Strength is path loss and shadowing without fast fading, as after the physical layer's filter. Every
    `measurement_ns` all sites are measured and filtered in dB, from the first measurement on. Then the other sites are
    compared with the serving one. A site that was stronger by more than the hysteresis at all measurements over
    `time_to_trigger_ns` takes over, the strongest if there are several. Nothing is compared while a handover interrupts
    the link.
    """

    def __init__(self, settings: Handover, strength_db: Floats) -> None:
        """`strength_db`, shape (sites,), at the start: the strongest site serves first."""
        self._settings = settings
        self._state = np.array([int(np.argmax(strength_db)), 0], np.int64)  # serving site, end of the interruption
        self._since_ns = np.full(len(strength_db), NOT_STRONGER_NS)
        self._filtered_db = strength_db.copy()

    def decide(self, at_ns: Ints, strength_db: Floats, from_ns: int, until_ns: int) -> tuple[Serving, Ints]:
        """Return the serving sites in [`from_ns`, `until_ns`), which follows the last call's interval, and the
        interruptions that overlap it, shape (m, 2). `strength_db`, shape (sites, k), holds from its instant in
        `at_ns`, shape (k,), to the next."""
        settings, site_before = self._settings, self._state[0]
        running = [[from_ns, self._state[1]]] if self._state[1] > from_ns else []
        changes = _handovers(
            at_ns,
            strength_db,
            -(-from_ns // settings.measurement_ns) * settings.measurement_ns,
            until_ns,
            settings.measurement_ns,
            filter_weight(settings),
            settings.time_to_trigger_ns,
            settings.hysteresis_db,
            settings.interruption_ns,
            self._state,
            self._since_ns,
            self._filtered_db,
        )
        starts_ns = changes[:, 0]
        serving = Serving(np.append(from_ns, starts_ns), np.append(site_before, changes[:, 1]))
        pauses = np.stack([starts_ns, starts_ns + settings.interruption_ns], axis=1)
        return serving, np.concatenate([np.array(running, np.int64).reshape(-1, 2), pauses])


@compiled
def _handovers(
    at_ns: Ints,
    strength_db: Floats,
    first_ns: int,
    until_ns: int,
    period_ns: int,
    weight: float,
    trigger_ns: int,
    hysteresis_db: float,
    interruption_ns: int,
    state: Ints,
    since_ns: Ints,
    filtered_db: Floats,
) -> Ints:
    """Return time and new site of each handover, shape (h, 2). Updates `state` (serving site, end of the interruption),
    `since_ns` (since when each site is stronger) and `filtered_db`."""
    sites = len(strength_db)
    found = np.empty((16, 2), np.int64)
    count = point = 0
    for now_ns in range(first_ns, until_ns, period_ns):
        while point + 1 < len(at_ns) and at_ns[point + 1] <= now_ns:
            point += 1
        for site in range(sites):
            filtered_db[site] += weight * (strength_db[site, point] - filtered_db[site])
        if now_ns < state[1]:
            continue
        level_db = filtered_db[state[0]] + hysteresis_db
        best = -1
        for site in range(sites):
            if site == state[0] or filtered_db[site] <= level_db:
                since_ns[site] = NOT_STRONGER_NS
                continue
            if since_ns[site] == NOT_STRONGER_NS:
                since_ns[site] = now_ns
            ripe = now_ns - since_ns[site] >= trigger_ns
            if ripe and (best < 0 or filtered_db[site] > filtered_db[best]):
                best = site
        if best >= 0:
            if count == len(found):
                found = np.concatenate((found, np.empty_like(found)))
            found[count, 0], found[count, 1] = now_ns, best
            count += 1
            state[0], state[1] = best, now_ns + interruption_ns
            since_ns[:] = NOT_STRONGER_NS
    return found[:count]
