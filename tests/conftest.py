"""Shared by all tests: reproducible hypothesis, tests in real time, children that can be interrupted, recordings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from benchmarks.rows import interruptible_children
from topologies.models.model_cache import models_folder

TESTS = Path(__file__).parent
REAL_TIME = (
    *("emulator/realtime/", "hil/stations/", "topologies/mininet/", "test_airsplit_emulate", "test_airsplit_cables"),
    *("test_benchmarks_realtime", "test_field_held"),
)

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests in REAL_TIME. Begin with the files that run whole commands: while a long file ends a session, the
    other processors wait."""
    items.sort(key=lambda item: item.path.parent != TESTS)
    for item in items:
        if item.path.relative_to(TESTS).as_posix().startswith(REAL_TIME):
            item.add_marker(pytest.mark.real_time)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """Tests that interrupt a process of their own also pass where the tests run in the background of a shell."""
    with interruptible_children():
        yield


@pytest.fixture(scope="session", autouse=True)
def cache_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep channels and agents in a folder of the tests, for their child processes too; converted models, which are
    large and always the same, with those of the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRSPLIT_MODELS", str(models_folder()))
        patch.setenv("AIRSPLIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Return the folder of recorded channels, beside the repository. Skip the test if there is none."""
    folder = Path(__file__).parents[2] / "shared" / "traces"
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}: put some there to test the importers on them")
    return folder
