"""What Mininet says of itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from mininet.log import lg


@contextmanager
def saying_nothing() -> Iterator[None]:
    """Within it Mininet's logger is silent."""
    levels = lg.level, lg.ch.level
    lg.setLogLevel("critical")
    try:
        yield
    finally:
        lg.setLevel(levels[0])
        lg.ch.setLevel(levels[1])
