"""A run that cannot fit says so before it generates anything."""

from pathlib import Path
from unittest.mock import patch

import pytest

from emulator.core import memory
from emulator.core.errors import MissingDependency
from topologies.build import build, room, training_system
from topologies.loading.loader import load

MANY = Path(__file__).parents[3] / "topologies" / "many-ues.yaml"
QUICKSTART = MANY.with_name("quickstart.yaml")
NOTHING_GENERATED = patch("topologies.build.trace_sources.generate", side_effect=AssertionError("generated"))


def test_field_too_many_ues_for_the_memory_are_refused_at_the_start() -> None:
    scenario = load(MANY, ["duration_s=1"])
    told = r"many-ues: about 0\.4 GB of memory are needed for 100 streams"
    little = patch.object(room, "available_bytes", return_value=10**8)
    with little, NOTHING_GENERATED, pytest.raises(MissingDependency, match=told):
        build(scenario, MANY.parent)


def test_field_too_long_channels_for_the_disk_are_refused_at_the_start() -> None:
    scenario = load(MANY, ["duration_s=1e6"])
    assert room.generated_slots(scenario, 10**15) == 200 * 10**9
    with (
        NOTHING_GENERATED,
        pytest.raises(MissingDependency, match=r"many-ues: about 22000\.0 GB are needed in /.*TMPDIR"),
    ):
        build(scenario, MANY.parent)


def test_field_too_long_training_is_refused_before_it_is_generated() -> None:
    scenario = load(QUICKSTART, ["duration_s=1", "training.duration_s=1e6"])
    with pytest.raises(MissingDependency, match=r"quickstart: about \d+\.\d GB are needed in /"):
        training_system(scenario, QUICKSTART.parent, 0)


def test_field_limit_of_a_container_counts(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    for text, expected in (("max\n", None), ("123456\n", 123_456)):
        limit.write_text(text)
        with patch.object(memory, "LIMITS", (limit, tmp_path / "none")):
            found = memory.available_bytes()
        assert found == expected if expected else found > 10**6
