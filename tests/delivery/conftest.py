"""A stage in memory and on a real table, for tests that must pass on both."""

from collections.abc import Callable

import pytest

from chalicelib.domain.settings import Settings
from tests.support.stages import Stage, memory_stage, real_stage
from workbench.local.ministack import MiniStack


@pytest.fixture(params=["memory", "table"])
def make_stage(request: pytest.FixtureRequest) -> Callable[[Settings], Stage]:
    """Creates a stage: in one run in memory, in another on a real table."""
    if request.param == "memory":
        return memory_stage
    ministack: MiniStack = request.getfixturevalue("ministack")
    return lambda settings: real_stage(ministack, settings)
