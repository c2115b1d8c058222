"""What `dropnote preview` shows of a template's message to a webhook."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from chalicelib.channels.webhook.formats import FORMATS
from tests.support.builders import some_settings
from workbench.cli.check import WEBHOOK_FORMATS
from workbench.cli.main import main
from workbench.local.webhooks import slack
from workbench.local.webhooks.answer import Call
from workbench.reports.texts.webhooks import WebhookPreview, webhook_previews
from workbench.samples.uploads import sample_events


def previewed(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["preview", "upload", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_format_can_be_shown() -> None:
    assert set(WEBHOOK_FORMATS) == set(FORMATS)
    output = previewed(*(option for form in WEBHOOK_FORMATS for option in ("--as", form)))
    for heading in ("as JSON", "as in Slack", "as in Microsoft Teams", "as in Discord", "as in Apprise"):
        assert f"── {heading}\n" in output


@pytest.mark.parametrize("form", ["slack", "teams", "discord"])
def test_service_shows_title_facts_and_footer(form: str) -> None:
    shown = previewed("--as", form).partition("── as in ")[2].splitlines()
    assert shown[1:3] == ["[local] March offer.pdf arrived (1.2 MB)", "(in the color of tone info)"]
    assert "Key: invoices/2026/March offer.pdf" in shown
    assert shown[-1].startswith('rule "sample" in ')


def test_json_output_has_the_request_that_the_service_would_accept() -> None:
    webhooks: dict[str, Any] = json.loads(previewed("--json", "--as", "slack"))["webhooks"]
    body = json.dumps(webhooks["slack"]["request"]).encode()
    assert slack.receive(Call("services/T0/B0/x", {}, {}, body))[1].body == "ok"


def shown_of(settings_lines: str, template: str = "upload", sample: str = "upload") -> list[WebhookPreview]:
    from chalicelib.rendering.renderer import Renderer

    settings = some_settings(settings_lines)
    person = settings.people["asha"]
    return webhook_previews(template, sample_events()[sample], Renderer(settings, stage="prod"), settings, person, ())


def test_webhooks_of_the_settings_are_shown_in_their_time_zones() -> None:
    room, forum = shown_of(
        '[webhooks.room]\nformat = "slack"\ntimezone = "America/New_York"\n[webhooks.forum]\nformat = "discord"\nforum = true\n'
    )
    assert (room.heading, forum.heading) == ("room, as in Slack", "forum, as in Discord")
    assert any("EST" in line for line in room.lines)
    assert forum.lines[2].startswith("(starts the thread ")
    assert shown_of("") == []
