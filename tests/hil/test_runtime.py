"""What a worker knows before its first task: shapes of activations, weights by digest, facts of its status."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from hil import control_messages
from hil.deployment import LayerId, chunk, digest
from hil.errors import Malformed
from hil.presence import Presence
from hil.rate_limit import DroppedMessages
from hil.runtime import Runtime, layer_bytes
from hil.transfers import Transfers
from topologies.models.registry import build, example_input


def must_not_be_called(*_: object) -> None:
    raise AssertionError("must not be called during a task")


@pytest.mark.parametrize("model", ["resnet32", "llama-15m"])
def test_first_activation_after_warm_up_constructs_no_layers(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime()
    for index in (2, 3):
        runtime.draw(LayerId(model, 0, index))
    runtime.warm_up(model, 0, 2, 4)
    values = build(model, 0, 0, 2)(example_input(model, 0)).to(dtype=runtime.synthetic_input(model, 0, 2, 1).dtype)
    monkeypatch.setattr("hil.runtime.Chain", must_not_be_called)
    assert runtime.activation_shape(model, 2) == tuple(values.shape)
    assert runtime.from_wire(model, 2, runtime.to_wire(values)).equal(values)
    with pytest.raises(ValueError, match="must be as"):
        runtime.from_wire(model, 2, np.zeros((2, *values.shape[1:]), np.float32))


def test_received_layer_is_held_by_the_digest_that_was_offered() -> None:
    runtime, layer = Runtime(), LayerId("nin", 0, 3)
    data = layer_bytes(layer)
    whole = digest(data)
    transfers = Transfers("w1", 10**9, runtime)
    offer = control_messages.Offer(1, layer.model, layer.seed, layer.index, whole.hex(), len(data))
    for index in transfers.offer(offer).missing:
        assert not runtime.holds(layer, whole)
        transfers.take(chunk(data, whole, index))
    assert runtime.holds(layer, whole)
    assert not runtime.holds(layer, digest(b"others"))
    assert transfers.offer(offer).missing == ()


def test_status_states_what_does_not_change_without_finding_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = DroppedMessages(logging.getLogger("test"), "w1")
    presence = Presence("w1", 7, dropped, (1, 10**9), lambda: None)
    first = control_messages.decode(presence.status(control_messages.OFFLINE).payload)
    for name in ("_cpu", "_version"):
        monkeypatch.setattr(f"hil.presence.{name}", must_not_be_called)
    dropped.add(Malformed("a message that is not of its format"))
    second = control_messages.decode(presence.status(control_messages.ONLINE).payload)
    assert isinstance(first, control_messages.Status)
    assert isinstance(second, control_messages.Status)
    assert first.state == control_messages.OFFLINE
    assert second == replace(first, state=control_messages.ONLINE, malformed=1)
