"""The ledger that tests of the store run on twice: on a real table and in memory."""

from typing import Any

import pytest

from tests.support.memory import MemoryLedger
from tests.support.stages import real_ledger


@pytest.fixture(params=["table", "memory"])
def ledger(request: pytest.FixtureRequest) -> Any:
    return MemoryLedger() if request.param == "memory" else real_ledger(request.getfixturevalue("ministack"))
