"""Mark for tests that need a data set."""

import pytest

from topologies.datasets.fashion_mnist import SYSTEM_FOLDER

needs_fashion_mnist = pytest.mark.skipif(
    not SYSTEM_FOLDER.is_dir(), reason="Fashion-MNIST is not installed (apt-get install dataset-fashion-mnist)"
)
