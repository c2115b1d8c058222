"""Shared by the console's tests: the console on a real table, and a browser."""

import pytest

from tests.support.console import ConsoleApp, console_app
from tests.workbench.local.conftest import browser as browser
from workbench.local.ministack import MiniStack


@pytest.fixture
def site(ministack: MiniStack) -> ConsoleApp:
    return console_app(ministack)
