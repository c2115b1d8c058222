"""Right after a deploy, AWS may still deny what a new policy allows: nothing is lost or abandoned for that."""

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from chalicelib.channels.ses import IAM_SETTLES
from chalicelib.domain.delivery import Reason
from chalicelib.domain.event import Batch
from tests.support.builders import an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty


@pytest.fixture
def stage() -> Stage:
    return memory_stage()


def test_mail_denied_in_the_first_minutes_is_sent_once_the_policy_is_in_effect(stage: Stage) -> None:
    stage.mail.answers += [Answer.DENY] * 3
    stage.take(an_upload())
    assert (stage.states()["email"], stage.rows()["email"].reason) == ("retry", Reason.AUTH)
    stage.sweep_for(hours=1)
    assert stage.states()["email"] == "sent"
    assert stage.addresses().count("asha@example.com") == 1


def test_mail_that_stays_denied_is_abandoned_after_minutes_and_the_owner_is_notified(stage: Stage) -> None:
    stage.settings = some_settings(**{'owner = "ben"': 'owner = "asha"'})
    stage.deliverer, stage.bot = stage.container()
    stage.mail.answers += [Answer.DENY] * 12
    stage.take(an_upload())
    stage.sweep_for(hours=1)
    mail = stage.rows()["email"]
    assert (mail.state.value, mail.reason) == ("failed", Reason.AUTH)
    assert IAM_SETTLES <= mail.steps[-1].at - mail.created_at < timedelta(minutes=30)
    assert any("was abandoned: auth" in text.message.text for text in stage.text.accepted)


def test_mail_held_for_hours_has_the_same_minutes(stage: Stage) -> None:
    stage.bot.take(Batch(events=(an_upload(),)), lambda: timedelta(seconds=10))  # no time left: the sweep sends it
    stage.later(hours=6)
    stage.mail.answers += [Answer.DENY]
    stage.sweep_for(hours=1)
    assert stage.states()["email"] == "sent"


def test_event_that_the_ledger_may_not_store_yet_fails_so_that_aws_sends_it_again(stage: Stage) -> None:
    insert = stage.ledger.insert

    def denied(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "PutItem")

    stage.ledger.insert = denied
    with pytest.raises(ExceptionGroup):
        stage.bot.take(Batch(events=(an_upload(),)), plenty)
    assert stage.sent == []
    stage.ledger.insert = insert
    stage.bot.take(Batch(events=(an_upload(),)), plenty)
    assert len(stage.sent) == 2
