"""Which of several sites serves a UE as it moves: event A3 of TS 38.331 5.5.4.4 with its time to trigger."""

from typing import NamedTuple

import numpy as np

from emulator.channel.radio import Handover
from emulator.core.arrays import Floats, Ints
from emulator.core.compiled import compiled

NEVER_NS = -1


class Serving(NamedTuple):
    """The site that serves from each instant on, both shape (h,)."""

    from_ns: Ints
    site: Ints


def require_valid(settings: Handover) -> None:
    """Raise ValueError, one line, when a time or the hysteresis breaks its rule."""
    if settings.measurement_ns < 1:
        raise ValueError(f"base.handover.measurement_ns={settings.measurement_ns}: must be at least 1")
    for name in ("hysteresis_db", "time_to_trigger_ns", "interruption_ns"):
        value = getattr(settings, name)
        if not 0 <= value < np.inf:
            raise ValueError(f"base.handover.{name}={value}: must be finite and at least 0")


class Decider:
    """Follows a UE from stretch to stretch of its way.

    Strength is what a measurement sees after its own filter: path loss and shadowing without the fast fading. Every
    `measurement_ns` each other site is compared with the serving one; one that was stronger by more than the
    hysteresis at every measurement of `time_to_trigger_ns` takes over, the strongest of several. While a handover
    interrupts the link nothing is measured.
    """

    def __init__(self, settings: Handover, strength_db: Floats) -> None:
        """`strength_db`, shape (sites,): at the start; the strongest serves first."""
        self._settings = settings
        self._state = np.array([int(np.argmax(strength_db)), 0], np.int64)  # serving site, end of the interruption
        self._since_ns = np.full(len(strength_db), NEVER_NS)

    def follow(self, at_ns: Ints, strength_db: Floats, from_ns: int, until_ns: int) -> tuple[Serving, Ints]:
        """Who serves in [from, until), which follows the last stretch, and the interruptions that touch it, shape
        (m, 2). `strength_db`, shape (sites, k), holds from its instant in `at_ns`, shape (k,), to the next."""
        settings, site_before = self._settings, self._state[0]
        running = [[from_ns, self._state[1]]] if self._state[1] > from_ns else []
        changes = _handovers(
            at_ns,
            strength_db,
            -(-from_ns // settings.measurement_ns) * settings.measurement_ns,
            until_ns,
            settings.measurement_ns,
            settings.time_to_trigger_ns,
            settings.hysteresis_db,
            settings.interruption_ns,
            self._state,
            self._since_ns,
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
    trigger_ns: int,
    hysteresis_db: float,
    interruption_ns: int,
    state: Ints,
    since_ns: Ints,
) -> Ints:
    """Instant and new site of each handover, shape (h, 2); `state` and `since_ns` (since when each site is better)
    are carried on."""
    sites = len(strength_db)
    found = np.empty((16, 2), np.int64)
    count = point = 0
    for now_ns in range(first_ns, until_ns, period_ns):
        if now_ns < state[1]:
            continue
        while point + 1 < len(at_ns) and at_ns[point + 1] <= now_ns:
            point += 1
        level_db = strength_db[state[0], point] + hysteresis_db
        best = -1
        for site in range(sites):
            if site == state[0] or strength_db[site, point] <= level_db:
                since_ns[site] = NEVER_NS
                continue
            if since_ns[site] == NEVER_NS:
                since_ns[site] = now_ns
            ripe = now_ns - since_ns[site] >= trigger_ns
            if ripe and (best < 0 or strength_db[site, point] > strength_db[best, point]):
                best = site
        if best >= 0:
            if count == len(found):
                found = np.concatenate((found, np.empty_like(found)))
            found[count, 0], found[count, 1] = now_ns, best
            count += 1
            state[0], state[1] = best, now_ns + interruption_ns
            since_ns[:] = NEVER_NS
    return found[:count]
