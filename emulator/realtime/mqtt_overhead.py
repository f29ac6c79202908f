"""Messages between stations over MQTT: their topic, and the bytes that TCP carries."""

TOPIC_PREFIX = "airsplit/station/"
LENGTH_BITS = 7  # of a length in each byte of its encoding


def station_topic(node: str) -> str:
    """Return the topic that the station of a node subscribes to."""
    return TOPIC_PREFIX + node


def publication_bytes(node: str, payload_bytes: int) -> int:
    """Return the size of a PUBLISH packet at QoS 0 to the station of a node (MQTT 3.1.1, 2.2 and 3.3): one byte of type
    and flags, the length of the rest in as few bytes as possible, two bytes of length and the topic, the payload."""
    rest_bytes = 2 + len(station_topic(node).encode()) + payload_bytes
    return 1 + max(1, -(-rest_bytes.bit_length() // LENGTH_BITS)) + rest_bytes
