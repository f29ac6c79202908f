"""Lookup of switch classes by name."""

import pytest

pytest.importorskip("mininet", reason="needs Mininet")

from tests.topologies.mininet.own_switches import LearningBridge
from topologies.mininet.nodes import StaticBridge
from topologies.mininet.switches import switch_class


def test_switch_classes_of_mininet_and_of_users_are_found() -> None:
    assert switch_class("LinuxBridge") is StaticBridge
    assert switch_class("tests.topologies.mininet.own_switches:LearningBridge").__name__ == LearningBridge.__name__


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NoSwitch", "must be a class of Mininet's switches"),
        ("CPULimitedHost", "must be a class of Mininet's switches"),
        ("json:loads", "must be a class of Mininet's switches"),
        ("OVSBridge", "must forward in a network namespace of its own"),
        ("no.such:Switch", r"must be a class that can be imported \(ModuleNotFoundError: No module named 'no'\)"),
    ],
)
def test_unusable_switch_classes_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^realtime.switch={name}: {message}") as caught:
        switch_class(name)
    assert "\n" not in str(caught.value)
