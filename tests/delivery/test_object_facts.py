"""Rules that ask about the object: what is sent when S3 answers, refuses or fails, and how many requests an upload makes."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib.bot.assembly import make_bot
from chalicelib.delivery.intake import Intake
from chalicelib.domain.event import Batch, Upload
from chalicelib.domain.filters.upload import Fact, FactValue, Head, Unread
from chalicelib.domain.settings import Settings
from tests.support.builders import ENVIRON, NOON, an_upload, some_settings
from tests.support.stages import COUNTERS, Stage, memory_stage, plenty
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack
from workbench.paths import PROJECT

ASKING = (
    '\n[[rules]]\nname = "pdf"\nbucket = "acme-drops"\nnotify = "email:ben"\nthen = "off"\ncontent_type = "application/pdf"\n'
)


def stage_reading(read: Callable[[Upload, Fact], FactValue], settings: Settings | None = None) -> Stage:
    stage = memory_stage(settings or some_settings(ASKING))
    stage.bot.intake = Intake(stage.settings.rules, stage.deliverer, stage.bot._on_alarm, read_fact=read)
    return stage


def addresses(stage: Stage) -> list[str]:
    return sorted(stage.addresses())


def test_message_is_sent_only_if_the_condition_is_met() -> None:
    stage = stage_reading(lambda upload, fact: Head("application/pdf" if upload.key == "in/a.pdf" else "text/plain"))
    stage.bot.take(Batch((an_upload("in/a.pdf"), an_upload("in/b.pdf"))), plenty)
    assert addresses(stage).count("ben@example.com") == 1


def test_object_deleted_since_is_reported_and_the_message_says_so() -> None:
    stage = stage_reading(lambda upload, fact: Unread("the object was deleted since"))
    stage.bot.take(Batch((an_upload(),)), plenty)
    (mail,) = [sent.message for sent in stage.mail.accepted if sent.to == "ben@example.com"]
    assert "Note:      Not all conditions of the rule could be checked (content_type: the object was deleted since)." in mail.text
    assert "deleted since" in mail.html


def test_owner_is_notified_once_that_a_permission_is_missing() -> None:
    stage = stage_reading(lambda upload, fact: Unread("S3 denied access; check s3:GetObject", denied=True))
    for name in "abc":
        stage.bot.take(Batch((an_upload(f"in/{name}.pdf", sequencer=name),)), plenty)
    subjects = [sent.message.text for sent in stage.mail.accepted if "check s3:GetObject" in sent.message.text]
    troubles = [text for text in subjects if "Rule pdf matches without all of its conditions" in text]
    assert (len(subjects), len(troubles)) == (4, 1)  # the three uploads, and the owner once


def test_event_is_handled_again_if_s3_fails_and_the_others_are_sent() -> None:
    failing = {"in/a.pdf"}

    def read(upload: Upload, fact: Fact) -> FactValue:
        if upload.key in failing:
            raise ReadTimeoutError(endpoint_url="http://s3")
        return Head("application/pdf")

    stage = stage_reading(read)
    batch = Batch((an_upload("in/a.pdf", sequencer="1"), an_upload("in/b.pdf", sequencer="2")))
    with pytest.raises(ExceptionGroup):
        stage.bot.take(batch, plenty)
    assert addresses(stage) == ["+919812345678", "asha@example.com", "ben@example.com"]
    failing.clear()
    stage.bot.take(batch, plenty)
    assert addresses(stage) == sorted(["+919812345678", "asha@example.com", "ben@example.com"] * 2)


class Requests:
    """A factory of clients of the emulator that records every operation."""

    def __init__(self, ministack: MiniStack) -> None:
        self._ministack = ministack
        self.operations: list[str] = []

    def __call__(self, service: str, **_: Any) -> Any:
        client = self._ministack.client(service)
        client.meta.events.register("before-call", lambda model, **_: self.operations.append(model.name))
        return client


def operations_of_an_upload(ministack: MiniStack, rule: str, **options: Any) -> list[str]:
    """The requests of the second upload of a container: the first one reads the control item."""
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    ministack.client("sesv2").create_email_identity(EmailIdentity="example.com")
    s3 = ministack.client("s3")
    s3.create_bucket(Bucket="acme-drops")
    settings = some_settings(**{'notify = ["email:asha", "sms:asha"]': f'notify = "email:asha"\n{rule}'})
    requests = Requests(ministack)
    environ = {**ENVIRON, "DROPNOTE_COUNTERS": COUNTERS}
    bot = make_bot(settings, environ, requests, lambda: NOON)
    for name in ("in/first.pdf", "in/second.pdf"):
        s3.put_object(Bucket="acme-drops", Key=name, Body=b"1", **options)
        requests.operations.clear()
        bot.take(Batch((an_upload(name, sequencer=name),)), plenty)
    return requests.operations


UNCHANGED = ["TransactWriteItems", "SendEmail", "UpdateItem"]


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ("", []),
        ('uploader = "!AWS:backup*"', []),
        ('content_type = "application/pdf"', ["HeadObject"]),
        ('content_type = "application/pdf"\nmetadata = { a = "b" }\ntags = { c = "d" }', ["HeadObject", "GetObjectTagging"]),
    ],
)
def test_requests_of_an_upload(ministack: MiniStack, rule: str, asked: list[str]) -> None:
    """Without the conditions, as many as before there were any; with them, one more for each fact."""
    options = {"ContentType": "application/pdf", "Metadata": {"a": "b"}, "Tagging": "c=d"}
    assert operations_of_an_upload(ministack, rule, **options) == [*asked, *UNCHANGED]


def test_rule_that_does_not_match_by_its_key_asks_nothing(ministack: MiniStack) -> None:
    assert operations_of_an_upload(ministack, 'key = "out/**"\ncontent_type = "application/pdf"') == []


def test_settings_without_such_conditions_load_none_of_their_code() -> None:
    """A cold start pays only for what the settings use."""
    program = (
        "import sys\n"
        "from tests.support.builders import ENVIRON, SETTINGS\n"
        "from chalicelib.settings.reader import read\n"
        "from chalicelib.rules.index import RuleIndex\n"
        "from chalicelib.bot import assembly\n"
        "from tests.support.builders import an_upload\n"
        "settings = read(SETTINGS, environ=ENVIRON, templates=['upload'])\n"
        "assert RuleIndex(settings.rules).match(an_upload())\n"
        "names = ('domain.filters', 'upload_filter', 'store.objects', 'countries')\n"
        "print([name for name in sys.modules if name.startswith('chalicelib') and name.endswith(names)])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert result.stdout == "[]\n"
