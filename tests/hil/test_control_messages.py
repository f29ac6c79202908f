import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import control_messages
from hil.control_messages import Measured, Plan, Report, Stage, Start
from hil.errors import Malformed

EXAMPLES = (
    control_messages.Status("w1", 5, control_messages.ONLINE, cpu="Ünïcode"),
    control_messages.Prepare(1, "nin"),
    control_messages.Offer(1, "nin", 0, 3, "ab" * 32, 9),
    control_messages.Holding(1, "w1", "ab" * 32, (0, 4)),
    Plan(1, 2, "nin", 0, (Stage("w1", 0, 3, ""), Stage("w2", 3, 12, "int8"))),
    control_messages.Ready(1, "w1", 2, "no"),
    control_messages.Measure(1, "nin", 0, 0, 12, 1, 5),
    Measured(1, "w1", "nin", 0, 1, (5, 6)),
    Start(1, 2, 1, 2, 2**63 - 1, 1, 10**18),
    Report(1, "w1", 2, 1, 1, 10, 11, 12, 13),
    control_messages.Ping(1),
    control_messages.Pong(1, "w1", 5),
)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_decode_inverts_encode(message: control_messages.ControlMessage) -> None:
    assert control_messages.decode(control_messages.encode(message)) == message


def altered(**fields: object) -> bytes:
    return json.dumps({**json.loads(control_messages.encode(EXAMPLES[8])), **fields}).encode()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b'"Start"',
        b"\xff\xfe",
        b"{}",
        b'{"is":"Unknown"}',
        b'{"is":["Start"]}',
        b'{"is":"Start"}',
        b"[" * 100_000,
        b'{"is":"Offer","run":1,"model":"nin","seed":0,"layer":3,"digest":"xyz","size":9}',
        altered(more=1),
        altered(task=-1),
        altered(task=2**63),
        altered(task=True),
        altered(task=1.0),
        altered(task="1"),
        altered(task=None),
        altered(task=[1]),
        b'{"is":"Start","task":NaN}',
        b'{"is":"Status","worker":"' + b"w" * 501 + b'","incarnation":1,"state":"online"}',
        b'{"is":"Plan","run":1,"plan":1,"model":"nin","seed":0,"codec":"int4","stages":[]}',
        b'{"is":"Plan","run":1,"plan":1,"model":"nin","seed":0,"stages":[{"worker":"w1"}]}',
        b'{"is":"Plan","run":1,"plan":1,"model":"nin","seed":0,"stages":[{"worker":"w","first":1,"stop":2,"codec":"x"}]}',
        b'{"is":"Plan","run":1,"plan":1,"model":"nin","seed":0,"stages":7}',
    ],
)
def test_malformed_control_messages_are_refused(payload: bytes) -> None:
    with pytest.raises(Malformed):
        control_messages.decode(payload)


@given(st.binary(max_size=300))
def test_random_bytes_are_malformed(payload: bytes) -> None:
    with pytest.raises(Malformed):
        control_messages.decode(payload)
