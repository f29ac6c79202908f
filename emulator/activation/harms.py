"""What happens to an activation on its way: scalars, packets, bursts of packets or tokens that get lost, or noise.

A harm has a *level*: the share of what is lost, or for noise its power relative to that of each token. The number of
losses is the level times the number of units, rounded at random so that its mean is exact: the losses of independent
packets are uniform given their number, and a quality table is a function of the share that was lost.
"""

from dataclasses import dataclass

import numpy as np

from emulator.core.arrays import Flags, Float32s, Floats, Ints

HARMS = ("scalars", "packets", "bursts", "link", "tokens", "noise")
FORMS = "scalars, packets:BYTES, bursts:BYTESxMEAN, link:BYTES, tokens, noise or noise:M"


@dataclass(frozen=True)
class Harm:
    """A kind of harm. `packet_bytes`: size of a packet (`packets`, `bursts`, `link`); `mean_burst`: mean number of
    consecutive packets that are lost (`bursts`); `nakagami_m`: of the fading (`noise`), infinite without fading."""

    kind: str
    packet_bytes: int = 0
    mean_burst: float = 1.0
    nakagami_m: float = np.inf

    def __str__(self) -> str:
        """Return the text that `parse_harm` reads."""
        details = {
            "packets": f":{self.packet_bytes}",
            "link": f":{self.packet_bytes}",
            "bursts": f":{self.packet_bytes}x{self.mean_burst:g}",
            "noise": "" if self.nakagami_m == np.inf else f":{self.nakagami_m:g}",
        }
        return self.kind + details.get(self.kind, "")


def parse_harm(text: str) -> Harm:
    """Return the harm of a text such as `packets:1500`, `bursts:1500x4` or `noise:1`. Raises ValueError."""
    kind, _, detail = text.partition(":")
    try:
        match kind, detail:
            case (("scalars" | "tokens" | "noise"), ""):
                return Harm(kind)
            case (("packets" | "link"), _):
                return Harm(kind, packet_bytes=_whole(detail))
            case "bursts", _:
                size, _, mean = detail.partition("x")
                return Harm(kind, packet_bytes=_whole(size), mean_burst=_at_least(mean, 1.0))
            case "noise", _:
                return Harm(kind, nakagami_m=_at_least(detail, 0.5))
    except ValueError:
        pass
    raise ValueError(f"harm={text}: must be {FORMS}")


def _whole(text: str) -> int:
    if not (text.isdecimal() and len(text) <= 9 and int(text) > 0):
        raise ValueError
    return int(text)


def _at_least(text: str, least: float) -> float:
    value = float(text)
    if not least <= value < np.inf:
        raise ValueError
    return value


def require_share(share: float, mean_burst: float) -> None:
    """Raise ValueError unless bursts of this mean length can lose this share: all, or at most what leaves one unit
    between two bursts."""
    if not 0 <= share <= 1:
        raise ValueError(f"share={share:g}: must be between 0 and 1")
    most = mean_burst / (mean_burst + 1)
    if mean_burst > 1 and most < share < 1:
        raise ValueError(f"share={share:g}: bursts of mean {mean_burst:g} lose at most {most:.3g}")


def lost_units(units: int, share: float, mean_burst: float, rng: np.random.Generator) -> Flags:
    """Return which of `units` packets, scalars or tokens in a row are lost: `share` of them, rounded at random.

    With `mean_burst` 1 the losses are independent: the units of the least of a random order, so that the same generator
    loses at a greater share what it loses at a smaller one. Longer bursts are those of Gilbert's chain with that share
    (`gilbert_losses`), given that it loses this number. Raises ValueError as `require_share`.
    """
    require_share(share, mean_burst)
    count = int(share * units + rng.random())
    if mean_burst > 1:
        lost = gilbert_losses(units, share, mean_burst, rng)
        while np.count_nonzero(lost) != count:
            lost = gilbert_losses(units, share, mean_burst, rng)
        return lost
    lost = np.zeros(units, np.bool_)
    lost[rng.permutation(units)[:count]] = True
    return lost


def gilbert_losses(units: int, share: float, mean_burst: float, rng: np.random.Generator) -> Flags:
    """Return the losses of Gilbert's chain ("Capacity of a burst-noise channel", 1960): two states, stationary, in
    whose bad state all is lost; the lengths of bursts are geometric."""
    if share == 1:
        return np.ones(units, np.bool_)
    from_good = min(share / (mean_burst * (1 - share)), 1.0)  # probability of leaving the good state
    if from_good == 0:
        return np.zeros(units, np.bool_)
    bad = (int(rng.random() < share) + np.arange(units)) % 2 == 1
    lengths = rng.geometric(np.where(bad, 1 / mean_burst, from_good))  # no memory: the first run has no other law
    ends = np.cumsum(np.minimum(lengths, units))
    lost: Flags = bad[np.searchsorted(ends, np.arange(units), side="right")]
    return lost


def lost_scalars(harm: Harm, share: float, packets: Ints, rng: np.random.Generator) -> Flags:
    """Return which scalars are lost, shape (tokens, elements), `share` of those that are not protected in the mean.
    `packets` are the `packet_numbers` of the scalars. Raises ValueError for noise, which loses none."""
    unprotected = packets >= 0
    lost = np.zeros(packets.shape, np.bool_)
    match harm.kind:
        case "scalars":
            lost[unprotected] = lost_units(int(unprotected.sum()), share, 1.0, rng)
        case "tokens":
            sent = unprotected.any(axis=1)
            lost[sent] = lost_units(int(sent.sum()), share, 1.0, rng)[:, None]
        case "packets" | "bursts":
            lost_packets = lost_units(int(packets.max(initial=-1)) + 1, share, harm.mean_burst, rng)
            lost[unprotected] = lost_packets[packets[unprotected]]
        case "link":
            from emulator.activation.link_losses import link_losses  # compiled code, which workers do without

            require_share(share, 1.0)
            units = int(packets.max(initial=-1)) + 1
            lost_packets = link_losses(units, int(share * units + rng.random()), harm.packet_bytes, rng)
            lost[unprotected] = lost_packets[packets[unprotected]]
        case _:
            raise ValueError(f"harm={harm}: loses no scalars")
    return lost & unprotected


def noisy(values: Float32s, harm: Harm, noise_ratio: float, protected: Flags, rng: np.random.Generator) -> Float32s:
    """Return an activation, shape (tokens, elements), after analogue transmission over a fading channel: y = h x + n,
    divided by h, which the receiver knows.

    Each token has one h, of Nakagami-m magnitude and mean square 1; n is Gaussian and has `noise_ratio` times the
    token's mean square. Protected scalars have no noise. Raises ValueError for a harm that is no noise.
    """
    if harm.kind != "noise":
        raise ValueError(f"harm={harm}: must be noise")
    deviations = np.sqrt(noise_ratio * np.mean(values.astype(np.float64) ** 2, axis=1))
    noise = rng.standard_normal(values.shape)
    received = values + deviations[:, None] / _amplitudes(harm.nakagami_m, len(values), rng)[:, None] * noise
    return np.where(protected, values, received.astype(np.float32))


def _amplitudes(m: float, tokens: int, rng: np.random.Generator) -> Floats:
    """Return amplitudes with Gamma distributed squares of shape `m` and mean 1, shape (tokens,)."""
    return np.ones(tokens) if m == np.inf else np.sqrt(rng.gamma(m, 1 / m, tokens))
