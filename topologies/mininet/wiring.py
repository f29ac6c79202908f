"""The relay of a network that is being built, link by link."""

from collections.abc import Callable

from emulator.realtime.relay import Relay
from topologies.mininet.addressing import Wire


class Wiring:
    """Joins the ends of links to the relay, which `make` makes with the first of them. `complete` is called with it
    when all links are joined, `closing` before it is closed after that."""

    def __init__(
        self,
        links: int,
        make: Callable[[], Relay],
        complete: Callable[[Relay], None],
        closing: Callable[[Relay], None],
    ) -> None:
        self._missing = links
        self._make = make
        self._complete = complete
        self._closing = closing
        self._relay: Relay | None = None

    def join(self, wire: Wire, a: int, b: int) -> None:
        """Give the relay the descriptors of the TAPs at the wire's two ends; it keeps copies."""
        if self._relay is None:
            self._relay = self._make()
        self._relay.attach(wire.forward, a, b)
        self._relay.attach(wire.backward, b, a)
        self._missing -= 1
        if self._missing == 0:
            self._complete(self._relay)

    def close(self) -> None:
        """Close the relay, if there is one."""
        relay, self._relay = self._relay, None
        if relay is not None:
            try:
                if self._missing == 0:
                    self._closing(relay)
            finally:
                relay.close()
