from pathlib import Path

import pytest

from load_tests.peers.weights import prepare
from worker.settings.fields import BUNDLED_MODEL


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle's weights as the peers load them."""
    return prepare(BUNDLED_MODEL, tmp_path_factory.mktemp("weights") / "made")
