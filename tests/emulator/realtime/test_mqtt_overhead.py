import pytest
from amqtt.mqtt.publish import PublishPacket

from emulator.realtime.mqtt_overhead import publication_bytes, station_topic


@pytest.mark.parametrize("payload_bytes", [1, 50, 102, 103, 104, 105, 16_357, 16_358, 16_359, 16_360, 300_000])
def test_a_publication_is_as_large_as_others_make_it(payload_bytes: int) -> None:
    packet = PublishPacket.build(station_topic("edge1"), bytes(payload_bytes), None, False, 0, False)
    assert publication_bytes("edge1", payload_bytes) == len(packet.to_bytes())
