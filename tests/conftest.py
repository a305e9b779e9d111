"""Fixtures of tests in several rooms."""

import os

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # machines are slow now and then: timing decides no test
settings.load_profile("untimed")


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No MODERATION_* variable of whoever runs the tests."""
    for name in os.environ:
        if name.startswith("MODERATION_"):
            monkeypatch.delenv(name)
