"""Delivery: redelivered events send once, recipients are independent, and every outcome has a reason."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.delivery.send_test import UnknownTarget, send_test
from chalicelib.domain.budget import ScopeLimits
from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.domain.event import Batch, UnknownPayload
from chalicelib.domain.people import Channel
from chalicelib.policy.controls import address_key
from chalicelib.rendering.renderer import Renderer
from chalicelib.rendering.templates import TEMPLATES
from chalicelib.store.ledger import NO_LIMITS
from chalicelib.store.rows import Parked
from tests.support.builders import an_upload, some_settings
from tests.support.log_scan import LogLines
from tests.support.providers import Answer
from tests.support.stages import TABLE, Stage, memory_stage, plenty, real_stage
from workbench.local.ministack import MiniStack


@pytest.fixture
def stage() -> Stage:
    return memory_stage()


def test_upload_sends_each_recipient_one_message(stage: Stage) -> None:
    stage.take(an_upload())
    assert [(channel, to) for channel, to, _ in stage.sent] == [("email", "asha@example.com"), ("sms", "+919812345678")]


def test_redelivered_event_sends_once(stage: Stage) -> None:
    for _ in range(3):
        stage.take(an_upload())
    assert len(stage.sent) == 2


def test_row_records_recipient_event_and_outcome(stage: Stage) -> None:
    stage.take(an_upload())
    mail = stage.rows()["email"]
    assert (mail.rule, mail.person, mail.state, mail.reason) == ("uploads", "asha", State.SENT, Reason.ACCEPTED)
    assert (mail.receipt, mail.event, mail.sent_at, len(mail.body_hash)) == ("email-1", an_upload(), stage.now, 16)


def test_failed_recipient_does_not_affect_the_others(stage: Stage) -> None:
    stage.mail.answers.append(Answer.REJECT)
    stage.take(an_upload())
    assert stage.states() == {"email": "failed", "sms": "sent"}
    assert stage.sweep_for(hours=2) == []


@pytest.mark.parametrize("max_concurrency", [1, 8])
def test_ledger_failure_for_one_recipient_does_not_affect_the_others(stage: Stage, max_concurrency: int) -> None:
    stage.settings = some_settings("""
[[rules]]
name = "more"
bucket = "${UPLOAD_BUCKET}"
notify = ["email:finance"]
""")
    _, bot = stage.container()
    bot.intake._concurrency = max_concurrency
    insert: Callable[[Delivery, ScopeLimits], Delivery] = stage.ledger.insert
    failed: list[object] = []

    def fail_once(delivery: Delivery, limits: ScopeLimits = NO_LIMITS) -> Delivery:
        if not failed:
            failed.append(delivery)
            raise ConnectionError("DynamoDB is out of reach")
        return insert(delivery, limits)

    stage.ledger.insert = fail_once
    with pytest.raises(ExceptionGroup):
        bot.take(Batch(events=(an_upload(),)), plenty)
    assert len(stage.sent) == 3
    bot.take(Batch(events=(an_upload(),)), plenty)
    assert sorted(stage.addresses()) == ["+919812345678", "asha@example.com", "asha@example.com", "ben@example.com"]


def test_invocation_that_ends_soon_leaves_sending_to_the_sweep(stage: Stage) -> None:
    stage.bot.take(Batch(events=(an_upload(),)), lambda: timedelta(seconds=10))
    assert (stage.sent, stage.states()) == ([], {"email": "held", "sms": "held"})
    assert stage.rows()["sms"].reason is Reason.OUT_OF_TIME
    assert sorted(stage.sweep()) == ["email sent", "sms sent"]


def test_owner_is_notified_of_failures_by_another_provider_once_an_hour(stage: Stage) -> None:
    stage.settings = some_settings(**{'owner = "ben"': 'owner = "asha"'})
    stage.deliverer, stage.bot = stage.container()
    stage.mail.answers += [Answer.REJECT, Answer.REJECT]
    stage.take(an_upload("in/a.pdf"), an_upload("in/b.pdf", sequencer="01"))
    notices = [text.message.text for text in stage.text.accepted if "was abandoned" in text.message.text]
    assert len(notices) == 1
    stage.later(hours=1)
    stage.mail.answers.append(Answer.REJECT)
    stage.take(an_upload("in/c.pdf", sequencer="02"))
    notices = [text.message.text for text in stage.text.accepted if "was abandoned" in text.message.text]
    assert len(notices) == 2


def test_owner_with_one_channel_is_notified_by_it(stage: Stage) -> None:
    stage.mail.answers.append(Answer.REJECT)
    stage.take(an_upload())
    (notice,) = [mail for mail in stage.mail.accepted if mail.to == "ben@example.com"]
    assert "A message to asha by email was abandoned: refused: message rejected." in notice.message.text
    assert f"dropnote show {stage.rows()['email'].id}" in notice.message.text


def test_bad_address_is_suppressed_and_nothing_more_is_sent_to_it(stage: Stage) -> None:
    stage.text.answers.append(Answer.BAD_ADDRESS)
    stage.take(an_upload("in/a.pdf"))
    stage.take(an_upload("in/b.pdf", sequencer="01"))
    assert stage.states()["sms"] == "dropped"
    assert stage.rows()["sms"].reason is Reason.BAD_ADDRESS
    assert "dropnote test asha" in stage.rows()["sms"].detail
    (address,) = stage.deliverer.control.now().suppressed.values()
    assert (address.person, address.channel, address.reason) == ("asha", Channel.SMS, Reason.BAD_ADDRESS)


def test_other_containers_know_a_suppressed_address_within_30_s(stage: Stage) -> None:
    _, other = stage.container()
    other.take(Batch(events=(an_upload("in/warm.pdf", sequencer="00"),)), plenty)
    stage.text.answers.append(Answer.BAD_ADDRESS)
    stage.take(an_upload("in/a.pdf"))
    stage.later(seconds=30)
    other.take(Batch(events=(an_upload("in/b.pdf", sequencer="01"),)), plenty)
    assert stage.states()["sms"] == "dropped"


def test_opt_out_is_per_sender(stage: Stage) -> None:
    keys = {address_key(Channel.SMS, sender, "+919812345678") for sender in ("+15005550006", "MG" + "0" * 32)}
    assert len(keys) == 2


def test_accepted_test_message_unsuppresses_an_address(stage: Stage) -> None:
    stage.text.answers.append(Answer.BAD_ADDRESS)
    stage.take(an_upload("in/a.pdf"))
    send_test(stage.deliverer, "asha", "1", plenty)
    assert stage.deliverer.control.now().suppressed == {}
    stage.take(an_upload("in/b.pdf", sequencer="01"))
    assert stage.states()["sms"] == "sent"


def test_unknown_payload_is_parked_once_and_the_owner_is_notified_once(stage: Stage) -> None:
    unknown = UnknownPayload("s3", "missing 'Records'", {"what": "ever"})
    for _ in range(2):
        stage.bot.take(Batch(unknown=(unknown,), events=(an_upload(),)), plenty)
    (parked,) = [row for row in stage.all_rows() if isinstance(row, Parked)]
    assert parked.payload == b'{"what": "ever"}'
    assert sorted(stage.addresses()) == ["+919812345678", "asha@example.com", "ben@example.com"]


def test_test_message_reaches_a_person_a_group_or_a_rule_once_per_request(stage: Stage) -> None:
    assert [delivery.person for delivery in send_test(stage.deliverer, "finance", "1", plenty)] == ["asha", "asha", "ben"]
    assert send_test(stage.deliverer, "finance", "1", plenty) == []
    assert [delivery.rule for delivery in send_test(stage.deliverer, "uploads", "2", plenty)] == ["uploads", "uploads"]
    assert all("[TEST]" in message.text for _, _, message in stage.sent)


def test_test_message_to_an_unknown_name_suggests_a_known_one(stage: Stage) -> None:
    with pytest.raises(ValueError, match="did you mean 'asha'"):
        send_test(stage.deliverer, "ahsa", "1", plenty)


def test_test_of_a_rule_on_items_or_the_bus_sends_the_plain_test_message(stage: Stage) -> None:
    stage.settings = some_settings("""
[[rules]]
name = "failed jobs"
on = "bus"
event = "glue failed"
notify = ["email:asha"]
[[rules]]
name = "orders"
on = "item"
table = "orders"
count = "orders by status"
""")
    deliverer, _ = stage.container()
    assert [delivery.state for delivery in send_test(deliverer, "failed jobs", "1", plenty)] == [State.SENT]
    ((_, _, message),) = stage.sent  # and no notice to the owner about a failed template
    assert message.subject.startswith("[TEST]")
    with pytest.raises(UnknownTarget, match="only counts"):
        send_test(deliverer, "orders", "2", plenty)


def test_owner_is_notified_once_of_a_broken_template_and_the_plain_one_is_used(stage: Stage, tmp_path: Path) -> None:
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    (tmp_path / "templates" / "upload" / "sms.txt").write_text("{{ no_such_name }}")
    stage.deliverer.renderer = Renderer(stage.settings, stage="prod", folder=tmp_path / "templates")
    stage.take(an_upload())
    stage.take(an_upload("in/other.pdf"))
    texts = [text.message.text for text in stage.text.accepted]
    notices = [mail.message.text for mail in stage.mail.accepted if mail.to == "ben@example.com"]
    assert ["report.pdf" in texts[0], "other.pdf" in texts[1]] == [True, True]
    assert len(notices) == 1
    assert "no_such_name" in notices[0]


def test_log_and_ledger_contain_no_address(ministack: MiniStack, logged: LogLines) -> None:
    stage = real_stage(ministack)
    stage.answer(Answer.UNREACHABLE, Answer.LOST_BEFORE, Answer.BAD_ADDRESS)
    stage.bot.take(Batch(events=(an_upload(),), unknown=(UnknownPayload("s3", "missing 'Records'", {"odd": True}),)), plenty)
    stage.sweep_for(minutes=5)
    send_test(stage.deliverer, "finance", "1", plenty)
    written = logged.text + json.dumps(stage.ledger._client.scan(TableName=TABLE)["Items"], default=repr)
    assert "no connection" in written
    assert not [part for part in ("@example.com", "+9198", "9812345678") if part in written]
