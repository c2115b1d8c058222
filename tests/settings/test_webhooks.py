"""[webhooks.NAME] and [whatsapp]: what they become, and the mistakes in them."""

import pytest

from chalicelib.channels.registry import parameter_names, secret_names
from chalicelib.domain.people import Channel
from tests.settings.test_reader import findings
from tests.support.builders import SETTINGS, some_settings

ROOM = '[webhooks.ops-room]\nformat = "slack"\n'
RULE = '[[rules]]\nname = "b"\nbucket = "acme-drops"\n'
HX = "HX" + "0" * 32
WHATSAPP = '[whatsapp]\naccount = "AC1"\nfrom = "+447700900999"\n'


def test_webhook_is_a_person_with_one_address() -> None:
    settings = some_settings(ROOM + 'quiet = "22:00-07:00"\nbudget = "5 per hour"\ntimezone = "Asia/Kolkata"\n')
    room = settings.people["ops-room"]
    assert (room.webhook, room.email, settings.zone(room), len(room.quiet), len(room.budget)) == (
        "ops-room",
        "",
        "Asia/Kolkata",
        1,
        1,
    )
    assert settings.sender(Channel.WEBHOOK)


@pytest.mark.parametrize(
    ("fields", "rate"),
    [('"slack"', 1), ('"teams"', 25 / 300), ('"discord"', 2.5), ('"json"', 5), ('"slack"\nrate = "30 per minute"', 0.5)],
)
def test_each_service_has_a_rate_unless_the_settings_say_otherwise(fields: str, rate: float) -> None:
    settings = some_settings(f"[webhooks.room]\nformat = {fields}\n")
    assert settings.max_rate("webhook:room") == rate


def test_each_webhook_has_its_secrets() -> None:
    settings = some_settings(ROOM + '[webhooks.ours]\nformat = "json"\n' + WHATSAPP)
    assert secret_names(settings) == ["twilio-auth-token", "webhook-ops-room", "webhook-ours", "webhook-ours-key"]
    assert parameter_names(settings)[-1] == "public-url"
    assert secret_names(some_settings()) == ["twilio-auth-token"]


def test_group_may_contain_webhooks_which_only_the_channel_webhook_reaches() -> None:
    groups = 'finance = ["asha", "ben"]\noncall = ["asha", "ops-room"]'
    more = ROOM + RULE + 'notify = ["email:oncall", "webhook:oncall"]'
    settings = some_settings(more, **{'finance = ["asha", "ben"]': groups})
    assert [(recipient.channel.value, recipient.address) for recipient in settings.rules[1].recipients] == [
        ("email", "asha@example.com"),
        ("webhook", "ops-room"),
    ]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ("[webhooks.ops-room]\n", "[webhooks.ops-room], format: missing; use one of: json, slack, teams, discord, apprise"),
        ('[webhooks.ops-room]\nformat = "slak"\n', "format: unknown value 'slak'; did you mean 'slack'?"),
        ('[webhooks.Ops]\nformat = "slack"\n', "[webhooks.Ops]: invalid name 'Ops'; use at most 40 of a-z, 0-9 and '-'"),
        ('[webhooks.ops-key]\nformat = "slack"\n', "[webhooks.ops-key]: invalid name 'ops-key'"),
        ('[webhooks.ben]\nformat = "slack"\n', "[webhooks.ben]: a person has the same name; rename one of them"),
        (ROOM + "forum = true\n", "forum: only Discord has forum channels; remove it"),
        (ROOM + 'url = "https://hooks.slack.com/x"\n', "url: the URL is a secret; remove it; dropnote setup asks for it"),
        (ROOM + 'quiet = ["00:00-12:00", "12:00-00:00"]\n', "quiet: quiet hours cover the whole week"),
        ('webhooks = "x"\n' + SETTINGS, "[webhooks]: must be a table; use for example [webhooks.ops-room] with format"),
        (RULE + 'notify = "webhook:ops-room"', "notify: unknown webhook or group 'ops-room'; add [webhooks.ops-room]"),
        (ROOM + RULE + 'notify = "email:ops-room"', "notify: ops-room has no email; use webhook:ops-room"),
        (ROOM + RULE + 'notify = "webhook:ben"', "notify: ben has no webhook; add [webhooks.ben], or choose another channel"),
        (ROOM + RULE + 'notify = "webhook:finance"', "notify: the group finance has no webhook; add one to [groups] finance"),
        (
            RULE + 'notify = "whatsapp:ben"',
            "notify: 'whatsapp:ben' needs the table [whatsapp]; add [whatsapp] with account and from",
        ),
        (WHATSAPP + RULE + 'notify = "whatsapp:ben"', "notify: ben has no whatsapp; add whatsapp to [people.ben]"),
        ('[whatsapp]\naccount = "AC1"\n', "[whatsapp], from: missing; set it to your Twilio number, or set messaging_service"),
        (WHATSAPP + f'content = {{ uplaod = "{HX}" }}\n', "content.uplaod: unknown template 'uplaod'; did you mean 'upload'?"),
        (WHATSAPP + 'content = { upload = "MG1" }\n', "content.upload: invalid ContentSid 'MG1'; use HX and 32 hex digits"),
    ],
)
def test_mistake_names_its_field_and_the_next_step(more: str, error: str) -> None:
    assert error in "\n".join(findings(more if SETTINGS in more else SETTINGS + more))


def test_whatsapp_has_content_templates_and_a_rate() -> None:
    settings = some_settings(WHATSAPP + f'content = {{ upload = "{HX}", default = "{HX}" }}\n')
    assert settings.whatsapp
    assert dict(settings.whatsapp.content) == {"upload": HX, "default": HX}
    assert settings.max_rate(Channel.WHATSAPP) == 80
