"""Channels and arrivals can be seeded apart."""

from pathlib import Path

import pytest

from agents.training import NOT_TRAINED_ON
from emulator.system import System
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build
from topologies.loading.contents import contents_sha256
from topologies.loading.loader import load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD.replace("at_m: [40, 0]", "ring: {}, speed_mps: 5"))
    return tmp_path / "good.yaml"


def channels(system: System) -> list[str]:
    return [link.trace.sha256 for link in system.links]


def test_each_seed_changes_its_own_draws_alone(file: Path) -> None:
    one, other_seed, other_channel, same = (
        build(load(file, overrides), file.parent)
        for overrides in (["seed=1"], ["seed=2", "channel_seed=1"], ["seed=1", "channel_seed=2"], ["channel_seed=1"])
    )
    assert channels(one) == channels(other_seed) == channels(same) != channels(other_channel)
    assert list(one.tasks()) == list(other_channel.tasks()) == list(same.tasks()) != list(other_seed.tasks())
    assert (one.seed, other_seed.seed) == (1, 2)


def test_agents_do_not_depend_on_it(file: Path) -> None:
    digests = {contents_sha256(load(file, [f"channel_seed={n}"]), file.parent, NOT_TRAINED_ON) for n in (1, 2)}
    assert len(digests) == 1
