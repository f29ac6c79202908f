"""Attachment of a network's links to the relay while Mininet builds the network."""

from collections.abc import Callable

from emulator.realtime.relay import Relay
from topologies.mininet.addressing import DuplexLink


class Wiring:
    """Attaches the ends of links to the relay. `make` creates the relay for the first link, `complete` is called after
    the last link, and then `closing` before the relay is closed."""

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

    def join(self, link: DuplexLink, a: int, b: int) -> None:
        """Attach a link by the descriptors of the TAP interfaces at its two ends; the relay keeps copies."""
        if self._relay is None:
            self._relay = self._make()
        self._relay.attach(link.forward, a, b)
        self._relay.attach(link.backward, b, a)
        self._missing -= 1
        if self._missing == 0:
            self._complete(self._relay)

    def close(self) -> None:
        """Close the relay if it has been created."""
        relay, self._relay = self._relay, None
        if relay is not None:
            try:
                if self._missing == 0:
                    self._closing(relay)
            finally:
                relay.close()
