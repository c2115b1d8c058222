"""Delivery: told once, whatever comes twice, each recipient apart from the others, and never silent about why."""

import json
import logging
import shutil
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.delivery.send_test import send_test
from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.domain.event import Batch, Unknown
from chalicelib.domain.people import Channel
from chalicelib.platform import log
from chalicelib.policy.controls import address_key
from chalicelib.rendering.renderer import TEMPLATES, Renderer
from chalicelib.store.rows import Parked
from tests.support.builders import an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import TABLE, Stage, memory_stage, plenty, real_stage
from workbench.local.ministack import MiniStack


@pytest.fixture
def stage() -> Stage:
    return memory_stage()


def test_upload_gives_each_recipient_one_message(stage: Stage) -> None:
    stage.take(an_upload())
    assert [(channel, to) for channel, to, _ in stage.sent] == [("email", "asha@example.com"), ("sms", "+919812345678")]


def test_redelivered_event_sends_once(stage: Stage) -> None:
    for _ in range(3):
        stage.take(an_upload())
    assert len(stage.sent) == 2


def test_row_tells_who_what_and_how_it_went(stage: Stage) -> None:
    stage.take(an_upload())
    mail = stage.rows()["email"]
    assert (mail.rule, mail.person, mail.state, mail.reason) == ("uploads", "asha", State.SENT, Reason.ACCEPTED)
    assert (mail.receipt, mail.event, mail.sent_at, len(mail.body_hash)) == ("email-1", an_upload(), stage.now, 16)


def test_failed_recipient_stops_nobody_else(stage: Stage) -> None:
    stage.mail.answers.append(Answer.REFUSE)
    stage.take(an_upload())
    assert stage.states() == {"email": "failed", "sms": "sent"}
    assert stage.sweep_for(hours=2) == []


@pytest.mark.parametrize("max_concurrency", [1, 8])
def test_ledger_that_fails_for_one_leaves_the_others_and_the_event_comes_again(stage: Stage, max_concurrency: int) -> None:
    stage.settings = some_settings("""
[[rules]]
name = "more"
bucket = "${UPLOAD_BUCKET}"
notify = ["email:finance"]
""")
    _, bot = stage.container()
    bot.intake._concurrency = max_concurrency
    keep: Callable[[Delivery], Delivery] = stage.ledger.insert
    refused: list[object] = []

    def refuse_once(delivery: Delivery) -> Delivery:
        if not refused:
            refused.append(delivery)
            raise ConnectionError("DynamoDB is out of reach")
        return keep(delivery)

    stage.ledger.insert = refuse_once
    with pytest.raises(ExceptionGroup):
        bot.take(Batch(events=(an_upload(),)), plenty)
    assert len(stage.sent) == 3
    bot.take(Batch(events=(an_upload(),)), plenty)
    assert sorted(stage.addresses()) == ["+919812345678", "asha@example.com", "asha@example.com", "ben@example.com"]


def test_invocation_that_ends_soon_leaves_the_sending_to_the_sweep(stage: Stage) -> None:
    stage.bot.take(Batch(events=(an_upload(),)), lambda: timedelta(seconds=10))
    assert (stage.sent, stage.states()) == ([], {"email": "held", "sms": "held"})
    assert stage.rows()["sms"].reason is Reason.OUT_OF_TIME
    assert sorted(stage.sweep()) == ["email sent", "sms sent"]


def test_own_failure_is_told_to_the_owner_by_another_provider_once_an_hour(stage: Stage) -> None:
    stage.settings = some_settings(**{'owner = "ben"': 'owner = "asha"'})
    stage.deliverer, stage.bot = stage.container()
    stage.mail.answers += [Answer.REFUSE, Answer.REFUSE]
    stage.take(an_upload("in/a.pdf"), an_upload("in/b.pdf", sequencer="01"))
    told = [text.message.text for text in stage.text.taken if "was given up" in text.message.text]
    assert len(told) == 1
    stage.later(hours=1)
    stage.mail.answers.append(Answer.REFUSE)
    stage.take(an_upload("in/c.pdf", sequencer="02"))
    told = [text.message.text for text in stage.text.taken if "was given up" in text.message.text]
    assert len(told) == 2


def test_owner_with_one_channel_hears_by_that(stage: Stage) -> None:
    stage.mail.answers.append(Answer.REFUSE)
    stage.take(an_upload())
    (told,) = [mail for mail in stage.mail.taken if mail.to == "ben@example.com"]
    assert "A message to asha by email was given up: refused: it refused it." in told.message.text
    assert f"dropnote show {stage.rows()['email'].id}" in told.message.text


def test_dead_address_is_remembered_and_nothing_more_is_sent_to_it(stage: Stage) -> None:
    stage.text.answers.append(Answer.DEAD)
    stage.take(an_upload("in/a.pdf"))
    stage.take(an_upload("in/b.pdf", sequencer="01"))
    assert stage.states()["sms"] == "dropped"
    assert stage.rows()["sms"].reason is Reason.BAD_ADDRESS
    assert "dropnote test asha" in stage.rows()["sms"].detail
    (dead,) = stage.deliverer.control.now().dead.values()
    assert (dead.person, dead.channel, dead.reason) == ("asha", Channel.SMS, Reason.BAD_ADDRESS)


def test_other_containers_hear_of_a_dead_address_within_30_s(stage: Stage) -> None:
    _, other = stage.container()
    other.take(Batch(events=(an_upload("in/warm.pdf", sequencer="00"),)), plenty)
    stage.text.answers.append(Answer.DEAD)
    stage.take(an_upload("in/a.pdf"))
    stage.later(seconds=30)
    other.take(Batch(events=(an_upload("in/b.pdf", sequencer="01"),)), plenty)
    assert stage.states()["sms"] == "dropped"


def test_opt_out_is_from_one_sender(stage: Stage) -> None:
    keys = {address_key(Channel.SMS, sender, "+919812345678") for sender in ("+15005550006", "MG" + "0" * 32)}
    assert len(keys) == 2


def test_test_that_gets_through_revives_a_dead_address(stage: Stage) -> None:
    stage.text.answers.append(Answer.DEAD)
    stage.take(an_upload("in/a.pdf"))
    send_test(stage.deliverer, "asha", "1", plenty)
    assert stage.deliverer.control.now().dead == {}
    stage.take(an_upload("in/b.pdf", sequencer="01"))
    assert stage.states()["sms"] == "sent"


def test_unknown_payload_is_parked_once_and_the_owner_told_once(stage: Stage) -> None:
    unknown = Unknown("s3", "it has no Records", {"what": "ever"})
    for _ in range(2):
        stage.bot.take(Batch(unknown=(unknown,), events=(an_upload(),)), plenty)
    (parked,) = [row for row in stage.everything() if isinstance(row, Parked)]
    assert parked.payload == b'{"what": "ever"}'
    assert sorted(stage.addresses()) == ["+919812345678", "asha@example.com", "ben@example.com"]


def test_test_reaches_a_person_a_group_or_a_rule_once_for_each_request(stage: Stage) -> None:
    assert [delivery.person for delivery in send_test(stage.deliverer, "finance", "1", plenty)] == ["asha", "asha", "ben"]
    assert send_test(stage.deliverer, "finance", "1", plenty) == []
    assert [delivery.rule for delivery in send_test(stage.deliverer, "uploads", "2", plenty)] == ["uploads", "uploads"]
    assert all("[TEST]" in message.text for _, _, message in stage.sent)


def test_test_of_nobody_says_who_there_is(stage: Stage) -> None:
    with pytest.raises(ValueError, match="did you mean 'asha'"):
        send_test(stage.deliverer, "ahsa", "1", plenty)


def test_owner_hears_of_a_broken_template_once_and_the_message_goes_out_plain(stage: Stage, tmp_path: Path) -> None:
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    (tmp_path / "templates" / "upload" / "sms.txt").write_text("{{ no_such_name }}")
    stage.deliverer.renderer = Renderer(stage.settings, stage="prod", folder=tmp_path / "templates")
    stage.take(an_upload())
    stage.take(an_upload("in/other.pdf"))
    texts = [text.message.text for text in stage.text.taken]
    trouble = [mail.message.text for mail in stage.mail.taken if mail.to == "ben@example.com"]
    assert ["report.pdf" in texts[0], "other.pdf" in texts[1]] == [True, True]
    assert len(trouble) == 1
    assert "no_such_name" in trouble[0]


def test_log_and_ledger_have_no_address_in_them(ministack: MiniStack, capsys: pytest.CaptureFixture[str]) -> None:
    stage = real_stage(ministack)
    log.configure()
    handler = logging.StreamHandler(sys.stdout)
    logging.getLogger("chalicelib").addHandler(handler)
    try:
        stage.answer(Answer.LATER, Answer.LOST_BEFORE, Answer.DEAD)
        stage.bot.take(Batch(events=(an_upload(),), unknown=(Unknown("s3", "it has no Records", {"odd": True}),)), plenty)
        stage.sweep_for(minutes=5)
        send_test(stage.deliverer, "finance", "1", plenty)
    finally:
        logging.getLogger("chalicelib").removeHandler(handler)
    told = capsys.readouterr().out + json.dumps(stage.ledger._client.scan(TableName=TABLE)["Items"], default=repr)
    assert "no connection" in told
    assert not [word for word in ("@example.com", "+9198", "9812345678") if word in told]
