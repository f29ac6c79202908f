"""How a message from station to station is published over MQTT: its topic, and what TCP then carries."""

TOPIC = "airsplit/station/"
BITS = 7  # of a length in each byte that tells it


def station_topic(node: str) -> str:
    """What the station of a node listens to."""
    return TOPIC + node


def publication_bytes(node: str, payload_bytes: int) -> int:
    """The size of a PUBLISH packet at QoS 0 to the station of a node: MQTT 3.1.1, 2.2 and 3.3. One byte of type and
    flags, the length of the rest in as few bytes as hold it, the topic after two bytes with its length, the payload."""
    rest_bytes = 2 + len(station_topic(node).encode()) + payload_bytes
    return 1 + max(1, -(-rest_bytes.bit_length() // BITS)) + rest_bytes
