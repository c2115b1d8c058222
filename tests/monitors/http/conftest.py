"""A server whose faults the tests choose."""

from collections.abc import Iterator

import pytest

from workbench.local.demo.faulty_server import FaultyServer


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server
