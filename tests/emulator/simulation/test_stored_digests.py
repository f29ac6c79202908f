"""What the simulation records of two hundred stored systems does not change from version to version."""

import json
from pathlib import Path

import pytest

from tests.emulator.stored_systems import COUNT, digest_of

STORED = json.loads((Path(__file__).parents[1] / "stored_digests.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("number", range(COUNT))
def test_records_have_the_stored_digest(number: int, tmp_path: Path) -> None:
    assert digest_of(number, tmp_path) == STORED[str(number)]
