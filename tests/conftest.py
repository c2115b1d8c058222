"""Fixtures for all tests: one MiniStack per session, emptied for each test that uses it."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from chalicelib.platform import custom
from workbench.local.ministack import MiniStack


def pytest_configure(config: pytest.Config) -> None:
    """Stop in a project with settings of its own: the tests are about the shipped ones."""
    if custom.folder().exists():
        pytest.exit(f"the tests need the shipped settings; run them in another copy, or move {custom.folder()} away", 4)


@pytest.fixture(scope="session")
def ministack_process() -> Iterator[MiniStack]:
    with MiniStack() as running:
        yield running


@pytest.fixture
def ministack(ministack_process: MiniStack) -> MiniStack:
    """An empty local AWS emulator, over HTTP: `ministack.client("s3")`, `ministack.endpoint`."""
    ministack_process.reset()
    return ministack_process


# `make test` and CI: the same examples on every run, so that a run never fails by chance.
settings.register_profile("default", derandomize=True, database=None, deadline=None, max_examples=100)
# `make prove`: new examples on every run, repeated by the seed that it prints.
settings.register_profile("thorough", derandomize=False, database=None, deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile("default")
