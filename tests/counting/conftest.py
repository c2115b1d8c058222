"""Fixtures for the tests of counting: the counters' table, and a stage in memory."""

from typing import Any

import pytest

from tests.support.stages import Stage, counters_client, memory_stage
from workbench.local.ministack import MiniStack


@pytest.fixture
def client(ministack: MiniStack) -> Any:
    return counters_client(ministack)


@pytest.fixture
def stage() -> Stage:
    return memory_stage()
