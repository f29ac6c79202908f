"""Rank of a channel: how many spatial layers each direction may have, and the power that each gets.

A receiver with N antennas separates r layers of equal power by zero forcing. A layer then has the sum of N - r + 1
branch powers (Winters, Salz, Gitlin, IEEE Trans. Commun. 42, 1994), times its share of the power (`layer_share`).
"""

import numpy as np

from emulator.channel.air.layers import layer_share
from emulator.channel.air.transport_block import MAX_LAYERS
from emulator.channel.radio import Direction, Radio, SettingError
from emulator.core.arrays import Floats

MAX_ANTENNAS = 64
CORRELATIONS = ("correlation", "los_correlation")


def require_valid(radio: Radio) -> None:
    """Raise ValueError, one line, if antennas, layers or correlations are out of range."""
    settings = (
        ("carrier.layers", radio.carrier.layers, MAX_LAYERS),
        ("ue.layers", radio.ue.layers, MAX_LAYERS),
        ("base.antennas", radio.base.antennas, MAX_ANTENNAS),
        ("ue.antennas", radio.ue.antennas, MAX_ANTENNAS),
    )
    for setting, count, most in settings:
        if not 1 <= count <= most:
            raise SettingError(setting, count, f"must be 1 to {most}")
    for name in CORRELATIONS:
        if not 0 <= getattr(radio.fading, name) < 1:
            raise SettingError(f"fading.{name}", getattr(radio.fading, name), "must be at least 0 and below 1")


def antennas(radio: Radio, direction: Direction) -> int:
    """Return the number of antennas of the direction's receiver."""
    return radio.ue.antennas if direction == "downlink" else radio.base.antennas


def greatest_rank(radio: Radio, direction: Direction) -> int:
    """Return the highest rank: the sender's layers, but at most a layer for each antenna of the receiver."""
    layers = radio.carrier.layers if direction == "downlink" else radio.ue.layers
    return min(layers, antennas(radio, direction))


def layer_shares(radio: Radio, direction: Direction) -> Floats:
    """Return the share of the power that a layer gets, by line of sight (0: out of it, 1: in it) and rank, shape
    (2, ranks)."""
    ranks = range(1, greatest_rank(radio, direction) + 1)
    return np.array([[layer_share(r, getattr(radio.fading, name)) for r in ranks] for name in CORRELATIONS])
