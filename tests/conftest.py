"""Fixtures for all tests: one MiniStack per session, emptied for each test that uses it."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from workbench.local.ministack import MiniStack


@pytest.fixture(scope="session")
def ministack_process() -> Iterator[MiniStack]:
    with MiniStack() as running:
        yield running


@pytest.fixture
def ministack(ministack_process: MiniStack) -> MiniStack:
    """An empty local AWS emulator, over HTTP: `ministack.client("s3")`, `ministack.endpoint`."""
    ministack_process.reset()
    return ministack_process


settings.register_profile("default", deadline=None, max_examples=100)
settings.register_profile("thorough", deadline=None, max_examples=2_000)  # `make prove`
settings.load_profile("default")
