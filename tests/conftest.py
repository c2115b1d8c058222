"""What all tests may use: one MiniStack for the session, empty at the start of each test that asks for it."""

from collections.abc import Iterator

import pytest

from workbench.ministack import MiniStack


@pytest.fixture(scope="session")
def ministack_process() -> Iterator[MiniStack]:
    with MiniStack() as running:
        yield running


@pytest.fixture
def ministack(ministack_process: MiniStack) -> MiniStack:
    """A local AWS with nothing in it, over HTTP: `ministack.client("s3")`, `ministack.endpoint`."""
    ministack_process.reset()
    return ministack_process
