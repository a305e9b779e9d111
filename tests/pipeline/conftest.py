import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.simulation.clock import VirtualLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Deadlines of minutes cost nothing, and `asyncio.sleep` means: until all that can happen by then has happened."""
    del config, item
    return {"virtual-time": VirtualLoop}
