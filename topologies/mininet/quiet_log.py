"""Muting of Mininet's logger."""

from collections.abc import Iterator
from contextlib import contextmanager

from mininet.log import lg


@contextmanager
def muted_mininet() -> Iterator[None]:
    """Mute Mininet's logger within the context."""
    levels = lg.level, lg.ch.level
    lg.setLogLevel("critical")
    try:
        yield
    finally:
        lg.setLevel(levels[0])
        lg.ch.setLevel(levels[1])
