"""Gain of each spatial layer behind a zero-forcing receiver.

Layers of equal power, from transmit antennas whose fading is correlated and into receive antennas whose fading is
independent (Rayleigh): with N receive antennas and rank r, a layer's gain is `layer_share` times the sum of N - r + 1
powers of mean 1. The N - r + 1 branches: Winters, Salz, Gitlin, IEEE Trans. Commun. 42(2/3/4), 1994; the correlation:
Gore, Heath, Paulraj, "Transmit selection in spatial multiplexing systems", IEEE Commun. Lett. 6(11), 2002.
"""


def layer_share(rank: int, correlation: float) -> float:
    """Return the share of the transmit power that a zero-forcing receiver gets for each of `rank` layers.

    1 / (rank [R^-1]_kk), where R (rank x rank) is 1 on the diagonal and `correlation` elsewhere. Raises ValueError
    unless rank >= 1 and 0 <= correlation < 1: at 1 layers cannot be separated.
    """
    if rank < 1:
        raise ValueError(f"rank={rank}: must be at least 1")
    if not 0 <= correlation < 1:
        raise ValueError(f"correlation={correlation}: must be at least 0 and below 1")
    separated = (1 - correlation) * (1 + (rank - 1) * correlation) / (1 + (rank - 2) * correlation)  # 1 / [R^-1]_kk
    return separated / rank
