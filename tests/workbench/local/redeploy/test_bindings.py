"""Which settings need a complete deploy, and for which replacing files in the zip is enough."""

import pytest

from chalicelib.domain.settings import Settings
from tests.support.builders import ENVIRON, SETTINGS, some_settings
from workbench.deployment.config import stage_names
from workbench.deployment.grants import StageLocation
from workbench.local.redeploy.bindings import fingerprint

VARIABLES = {**ENVIRON, **stage_names("prod"), "DROPNOTE_STREAM": ""}
HERE = StageLocation("prod", "123456789012", "us-east-1")
BUS = '[[rules]]\nname = "cloud"\non = "bus"\nevent = ["alarm"]\nnotify = ["email:asha"]\n'
ITEM = '[[rules]]\nname = "orders"\non = "item"\ntable = "orders"\nnotify = ["email:asha"]\n'
MONITOR = '[[monitors]]\nname = "shop"\nkind = "http"\nurl = "https://shop.example.com/"\nnotify = ["email:asha"]\n'


def outside(settings: Settings) -> str:
    return fingerprint(settings, VARIABLES, HERE)


@pytest.mark.parametrize(
    "changes",
    [
        {'name = "acme-drops"': 'name = "another"'},
        {'then = "off"': 'then = "10m"\nfirst = 1'},
        {'notify = ["email:asha", "sms:asha"]': 'notify = ["email:ben", "sms:asha"]'},
        {'timezone = "Asia/Kolkata"': 'quiet = "22:00-07:00"\ndigest = "daily 08:00"'},
        {'email = "asha@example.com"': 'email = "asha@example.net"'},
        {'name = "uploads"': 'name = "renamed"'},
    ],
)
def test_settings_of_code_only_keep_the_fingerprint(changes: dict[str, str]) -> None:
    changed = some_settings(**changes)
    assert changed != some_settings(), SETTINGS
    assert outside(changed) == outside(some_settings())


@pytest.mark.parametrize(
    ("more", "changes"),
    [
        ('[[rules]]\nname = "more"\nbucket = "another"\nnotify = ["email:asha"]\n', {}),
        (BUS, {}),
        (ITEM, {}),
        (MONITOR, {}),
        ("", {'then = "off"': 'key = "in/**"'}),  # S3 then notifies for this prefix only
        ("", {'from = "Acme drops <drops@example.com>"': 'from = "drops@example.net"'}),
        ("", {'from = "+15005550006"': 'messaging_service = "MG00000000000000000000000000000000"'}),
        ("", {'email = "ben@example.com"': 'email = "ben@example.net"'}),  # the owner's, of CloudWatch's alarms
        ('[[buckets]]\nname = "acme-drops"\ntrigger = "eventbridge"\n', {}),
    ],
)
def test_settings_of_more_than_code_change_the_fingerprint(more: str, changes: dict[str, str]) -> None:
    assert outside(some_settings(more, **changes)) != outside(some_settings())


def test_conditions_of_item_rules_that_filter_the_stream_change_the_fingerprint() -> None:
    created = some_settings(ITEM + 'did = ["created"]\n')
    assert outside(created) != outside(some_settings(ITEM))
    assert outside(some_settings(ITEM + 'title = "Order {id}"\n')) == outside(some_settings(ITEM))
