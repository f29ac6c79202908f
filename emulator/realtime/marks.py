"""Marks that senders give packets for the relay."""

# Type of service of packets that are acknowledged on every bearer: DSCP 3, one of those for local use (RFC 2474, 6)
ACKNOWLEDGED_TOS = 3 << 2
