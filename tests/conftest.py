"""Fixtures for all tests: one MiniStack per session, emptied for each test that uses it; one browser; a scan of all log lines."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from chalicelib.platform import custom
from tests.support.browsers import browser as browser
from tests.support.log_scan import LogLines, LogScan, scanning, writing_to
from workbench.local.ministack import MiniStack


def pytest_configure(config: pytest.Config) -> None:
    """Stop in a project with settings of its own: the tests are about the shipped ones."""
    if custom.folder().exists():
        pytest.exit(f"the tests need the shipped settings; run them in another copy, or move {custom.folder()} away", 4)


@pytest.fixture(scope="session")
def log_scan() -> Iterator[LogScan]:
    """The scan of this run's log lines."""
    scan = LogScan()
    with scanning(scan):
        yield scan
    _fail_on(scan)


@pytest.fixture(autouse=True)
def no_addresses_in_logs(log_scan: LogScan) -> Iterator[None]:
    """Fail a test whose log lines have a telephone number or an e-mail address; those of functions fail the next test."""
    with writing_to():
        yield
    _fail_on(log_scan)


@pytest.fixture
def logged(log_scan: LogScan) -> Iterator[LogLines]:
    """The lines that the bot logs in this test."""
    lines = LogLines()
    with writing_to(lines.write):
        yield lines


def _fail_on(scan: LogScan) -> None:
    if found := scan.take():
        pytest.fail("addresses in log lines:\n" + "\n".join(found), pytrace=False)


@pytest.fixture(scope="session")
def ministack_process(log_scan: LogScan) -> Iterator[MiniStack]:
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
