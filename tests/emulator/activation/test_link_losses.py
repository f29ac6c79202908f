"""Losses of packets of the emulator's link, against messages that the link itself sends."""

import numpy as np
import pytest

from emulator.activation.harms import lost_scalars, parse_harm
from emulator.activation.link_losses import link_losses, packet_losses, street_uplink
from emulator.link import Link

PACKET_BYTES, UNITS = 1500, 50


def test_packets_are_lost_as_the_link_erases_them_in_whole_messages() -> None:
    """Messages one after the other, each of many fragments, whose erased share the link counts itself."""
    link, lost = Link.standalone(street_uplink(PACKET_BYTES), 0), packet_losses(PACKET_BYTES)
    for message in range(400):
        delivery = link.enqueue(0, UNITS * PACKET_BYTES)
        assert delivery is not None
        part = lost[message * UNITS : (message + 1) * UNITS]
        assert delivery.erased_fraction == pytest.approx(part.mean())
    assert 0 < lost[: 400 * UNITS].mean() < 1


def test_a_draw_is_a_stretch_of_the_link_with_the_number_of_losses() -> None:
    sequence = packet_losses(PACKET_BYTES).tobytes()
    for count in (0, 2, 5, 15):
        lost = link_losses(UNITS, count, PACKET_BYTES, np.random.default_rng(count))
        assert lost.sum() == count
        assert lost.tobytes() in sequence


def test_blocks_carry_several_packets_so_that_losses_come_in_bursts() -> None:
    lost = packet_losses(PACKET_BYTES)
    after_a_loss = lost[1:][lost[:-1]].mean()
    assert after_a_loss > 3 * lost.mean()


def test_what_the_link_never_loses_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^share=1: the link never loses 50 of 50 packets$"):
        link_losses(UNITS, 50, PACKET_BYTES, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"^packets=1000000000: must be at most \d+$"):
        link_losses(10**9, 0, PACKET_BYTES, np.random.default_rng(0))


def test_as_a_harm_it_loses_whole_packets_and_no_protected_scalars() -> None:
    harm = parse_harm("link:1500")
    assert str(harm) == "link:1500"
    packets = np.repeat(np.arange(-1, 9), 30).reshape(10, 30)  # the first 30 scalars are protected
    lost = lost_scalars(harm, 2 / 9, packets, np.random.default_rng(1))
    assert not lost[0].any()
    assert set(lost[1:].mean(axis=1)) == {0.0, 1.0}
    assert lost[1:].mean() == pytest.approx(2 / 9)
