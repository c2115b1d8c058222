"""Shared by the console's tests: the console on a real table."""

import pytest

from tests.support.console import ConsoleApp, console_app
from workbench.local.ministack import MiniStack


@pytest.fixture
def site(ministack: MiniStack) -> ConsoleApp:
    return console_app(ministack)
