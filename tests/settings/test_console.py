"""[console]: people and groups by role, the length of a session, and the default of the local stage."""

from datetime import timedelta

import pytest

from chalicelib.domain.settings import ConsoleSettings, Role, SettingsError
from chalicelib.settings.reader import read
from tests.support.builders import ENVIRON, SETTINGS, some_settings


def test_roles() -> None:
    console = some_settings('[console]\noperators = ["asha"]\nreaders = ["finance"]\nsession = "8h"\n').console
    assert console == ConsoleSettings(("asha",), ("asha", "ben"), timedelta(hours=8))
    assert [console.role_of(name) for name in ("asha", "ben", "carl")] == [Role.OPERATOR, Role.READER, None]


def test_without_the_table_everybody_is_an_operator_locally_and_nobody_elsewhere() -> None:
    assert some_settings().console is None
    local = read(SETTINGS, environ={**ENVIRON, "DROPNOTE_STAGE": "local"}, templates=["upload"]).console
    assert local == ConsoleSettings(operators=("asha", "ben"))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "operators: missing; name at least one person or group"),
        ('operators = ["ahsa"]', "unknown person or group 'ahsa'; did you mean 'asha'?"),
        ('readers = ["asha"]\nsession = "1m"', "session: '1m' is not between 5m and 30d"),
        ('readers = ["asha"]\nsession = "soon"', "session: invalid"),
        ('reader = ["asha"]', "did you mean 'readers'"),
    ],
)
def test_mistakes_are_reported(table: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        some_settings(f"[console]\n{table}\n")
    assert says in str(caught.value)
