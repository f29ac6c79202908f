"""What all tests share: reproducible hypothesis, and the recordings where there are any."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded channels, which is beside the repository and not in it."""
    folder = Path(__file__).parents[2] / "shared" / "traces"
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}: put some there to test the importers on them")
    return folder
