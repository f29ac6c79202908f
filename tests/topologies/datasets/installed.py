"""Mark for tests that need a data set."""

import pytest

from emulator.core.errors import MissingDependency
from topologies.datasets.fashion_mnist import SYSTEM_FOLDER
from topologies.datasets.photographs import SCORED

needs_fashion_mnist = pytest.mark.skipif(
    not SYSTEM_FOLDER.is_dir(), reason="Fashion-MNIST is not installed (apt-get install dataset-fashion-mnist)"
)


def _has_photographs() -> bool:
    try:
        SCORED[0].packaged().path()
    except MissingDependency:
        return False
    return True


needs_photographs = pytest.mark.skipif(
    not _has_photographs(), reason="package scikit-image is not installed (pip install --no-deps scikit-image)"
)
