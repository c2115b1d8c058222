"""Delivery: told once, whatever comes twice; tried again, when it surely did not go out; never silent about why."""

import json
import logging
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib import log
from chalicelib.channels import DeliveryError, OutcomeUnknown
from chalicelib.delivery import Delivery, Reason, State
from chalicelib.events import Batch, Unknown
from chalicelib.policy import outcome
from chalicelib.render import TEMPLATES, Renderer
from chalicelib.rows import Parked
from tests.builders import an_upload, some_settings
from tests.worlds import TABLE, Stage
from workbench.ministack import MiniStack

UPLOAD = Batch(events=(an_upload(),))


@pytest.fixture
def stage(ministack: MiniStack) -> Stage:
    return Stage(ministack)


def rows(stage: Stage) -> list[Delivery]:
    return [row for row in stage.ledger.newest(50, stage.now) if isinstance(row, Delivery)]


def test_upload_gives_each_recipient_one_message(stage: Stage) -> None:
    stage.bot.take(UPLOAD)
    assert [(channel, to) for channel, to, _ in stage.sent] == [("email", "asha@example.com"), ("sms", "+919812345678")]


def test_redelivered_event_sends_once(stage: Stage) -> None:
    for _ in range(3):
        stage.bot.take(UPLOAD)
    assert len(stage.sent) == 2


def test_row_tells_who_what_and_how_it_went(stage: Stage) -> None:
    stage.bot.take(UPLOAD)
    mail = next(row for row in rows(stage) if row.channel == "email")
    assert (mail.rule, mail.person, mail.state, mail.reason) == ("uploads", "asha", State.SENT, Reason.ACCEPTED)
    assert mail.receipt.startswith("R")
    assert mail.event == an_upload()
    assert len(mail.body_hash) == 16


def test_transient_failure_is_retried_by_the_sweep(stage: Stage) -> None:
    stage.fails.append(DeliveryError(Reason.UNREACHABLE, "no connection"))
    stage.bot.take(UPLOAD)
    assert sorted(row.state for row in rows(stage)) == ["retry", "sent"]
    assert stage.sweep() == []  # not yet due
    stage.later(minutes=1)
    assert stage.sweep() == ["sent"]
    assert len(stage.sent) == 2
    assert stage.sweep() == []


def test_provider_says_when_to_come_back(stage: Stage) -> None:
    stage.fails.append(DeliveryError(Reason.RATE, "slow down", retry_after=timedelta(minutes=30)))
    stage.bot.take(UPLOAD)
    stage.later(minutes=29)
    assert stage.sweep() == []
    stage.later(minutes=1)
    assert stage.sweep() == ["sent"]


def test_permanent_failure_is_not_tried_again_and_stops_nobody_else(stage: Stage) -> None:
    stage.fails.append(DeliveryError(Reason.BAD_ADDRESS, "no such number", permanent=True))
    stage.bot.take(UPLOAD)
    stage.later(hours=2)
    assert stage.sweep() == []
    assert sorted(row.state for row in rows(stage)) == ["failed", "sent"]


def test_unknown_outcome_is_not_repeated_blindly(stage: Stage) -> None:
    stage.fails.append(OutcomeUnknown(Reason.TIMEOUT, "no answer"))
    stage.bot.take(UPLOAD)
    stage.bot.take(UPLOAD)
    stage.later(hours=2)
    stage.sweep()
    assert len(stage.sent) == 1


def test_attempts_are_used_up_in_the_end(stage: Stage) -> None:
    stage.fails.extend(DeliveryError(Reason.UNREACHABLE, "no connection") for _ in range(2 * outcome.ATTEMPTS))
    stage.bot.take(UPLOAD)
    for _ in range(outcome.ATTEMPTS + 2):
        stage.later(hours=1)
        stage.sweep()
    assert {(row.state, row.reason, row.attempts) for row in rows(stage)} == {("failed", Reason.ATTEMPTS, outcome.ATTEMPTS)}


def test_stale_news_expires(stage: Stage) -> None:
    stage.fails.append(DeliveryError(Reason.UNREACHABLE, "no connection"))
    stage.bot.take(UPLOAD)
    stage.later(hours=25)
    assert stage.sweep() == ["expired"]


def test_claim_of_a_dead_sender_becomes_unknown(stage: Stage) -> None:
    stage.fails.append(KeyboardInterrupt())  # type: ignore[arg-type]  # the process dies in the middle of a send
    with pytest.raises(KeyboardInterrupt):
        stage.bot.take(UPLOAD)
    stage.later(minutes=3)
    assert stage.sweep() == ["unknown"]


def test_person_gone_from_the_settings_is_not_written_to(stage: Stage, ministack: MiniStack) -> None:
    stage.fails.append(DeliveryError(Reason.UNREACHABLE, "no connection"))
    stage.bot.take(UPLOAD)
    stage.deliverer.settings = some_settings(asha="carol")
    stage.later(minutes=1)
    assert stage.sweep() == ["dropped"]


def test_second_sweeper_sends_nothing(stage: Stage) -> None:
    stage.fails.append(DeliveryError(Reason.UNREACHABLE, "no connection"))
    stage.bot.take(UPLOAD)
    (waiting,) = [row for row in rows(stage) if row.state == "retry"]
    first = outcome.claimed(waiting, "mine", stage.now, timedelta(minutes=2))
    second = outcome.claimed(waiting, "yours", stage.now, timedelta(minutes=2))
    assert (stage.ledger.move(waiting, first), stage.ledger.move(waiting, second)) == (True, False)


def test_own_write_whose_answer_was_lost_counts_as_done(stage: Stage) -> None:
    stage.bot.take(UPLOAD)
    row = rows(stage)[0]
    claimed = outcome.claimed(row, row.claim, stage.now, timedelta(minutes=2))
    assert not stage.ledger.insert(claimed)  # another's row, or a later state
    assert stage.ledger.insert(row)  # botocore repeats the call, and finds what it wrote


def test_no_arrow_leads_back(stage: Stage) -> None:
    stage.bot.take(UPLOAD)
    row = rows(stage)[0]
    with pytest.raises(ValueError, match="no arrow leads from sent to claimed"):
        stage.ledger.move(row, outcome.claimed(row, "t", stage.now, timedelta(minutes=2)))


def test_finished_rows_leave_the_due_index(stage: Stage) -> None:
    stage.bot.take(UPLOAD)
    assert stage.client.scan(TableName=TABLE, IndexName="due")["Items"] == []
    assert stage.client.scan(TableName=TABLE, IndexName="day")["Count"] == 2


def test_unknown_payload_is_parked_once_and_the_owner_told_once(stage: Stage) -> None:
    unknown = Unknown("s3", "it has no Records", {"what": "ever"})
    for _ in range(2):
        stage.bot.take(Batch(unknown=(unknown,), events=(an_upload(),)))
    (parked,) = [row for row in stage.ledger.newest(50, stage.now) if isinstance(row, Parked)]
    assert parked.payload == b'{"what": "ever"}'
    assert [to for _, to, _ in stage.sent] == ["ben@example.com", "asha@example.com", "+919812345678"]


def test_test_reaches_a_person_a_group_or_a_rule_once_for_each_request(stage: Stage) -> None:
    assert [delivery.person for delivery in stage.bot.test("finance", "1")] == ["asha", "asha", "ben"]
    assert stage.bot.test("finance", "1") == []
    assert [delivery.rule for delivery in stage.bot.test("uploads", "2")] == ["uploads", "uploads"]
    assert all("[TEST]" in message.text for _, _, message in stage.sent)


def test_test_of_nobody_says_who_there_is(stage: Stage) -> None:
    with pytest.raises(ValueError, match="did you mean asha"):
        stage.bot.test("ahsa", "1")


def test_sweep_stops_while_there_is_time_to_write_down(stage: Stage) -> None:
    stage.fails.append(DeliveryError(Reason.UNREACHABLE, "no connection"))
    stage.bot.take(UPLOAD)
    stage.later(minutes=1)
    assert stage.bot.sweep(lambda: timedelta(seconds=5)) == []
    assert stage.sweep() == ["sent"]


def test_owner_hears_of_a_broken_template_once_and_the_message_goes_out_plain(stage: Stage, tmp_path: Path) -> None:
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    (tmp_path / "templates" / "upload" / "sms.txt").write_text("{{ no_such_name }}")
    stage.deliverer.renderer = Renderer(stage.settings, stage="prod", folder=tmp_path / "templates")
    stage.bot.take(UPLOAD)
    stage.bot.take(Batch(events=(an_upload("in/other.pdf"),)))
    texts = [message.text for channel, _, message in stage.sent if channel == "sms"]
    trouble = [message.text for _, to, message in stage.sent if to == "ben@example.com"]
    assert ["report.pdf" in texts[0], "other.pdf" in texts[1]] == [True, True]
    assert len(trouble) == 1
    assert "no_such_name" in trouble[0]


def test_log_and_ledger_have_no_address_in_them(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure()
    handler = logging.StreamHandler(sys.stdout)
    logging.getLogger("chalicelib").addHandler(handler)
    try:
        stage.fails.extend([DeliveryError(Reason.UNREACHABLE, "no connection"), OutcomeUnknown(Reason.TIMEOUT, "no answer")])
        stage.bot.take(Batch(events=(an_upload(),), unknown=(Unknown("s3", "it has no Records", {"odd": True}),)))
        stage.later(minutes=5)
        stage.sweep()
        stage.bot.test("finance", "1")
    finally:
        logging.getLogger("chalicelib").removeHandler(handler)
    told = capsys.readouterr().out + json.dumps(stage.client.scan(TableName=TABLE)["Items"], default=repr)
    assert "no connection" in told
    assert not [word for word in ("@example.com", "+9198", "9812345678") if word in told]
