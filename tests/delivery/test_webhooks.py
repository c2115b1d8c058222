"""Webhooks and WhatsApp as recipients: ledger, budgets, suppression, pacing and fallbacks as on other channels."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.delivery.send_test import send_test
from chalicelib.domain.delivery import DeliveryError, Reason, State
from chalicelib.domain.event import Event
from chalicelib.domain.message import Notice, Tone
from chalicelib.domain.people import Channel, Recipient
from chalicelib.domain.settings import Settings
from chalicelib.store.rows.versions import UnreadableRow
from tests.support.builders import an_upload, some_settings
from tests.support.providers import Accepted, Answer
from tests.support.stages import Stage, memory_stage, plenty
from workbench.samples.incidents import sample_incidents

WEBHOOKS = """
[webhooks.ops-room]
format = "slack"
timezone = "Asia/Kolkata"
budget = "3 per hour"
[webhooks.chat]
format = "discord"
budget = []
"""
NOTIFY_ROOM = {'notify = ["email:asha", "sms:asha"]': 'notify = ["webhook:room"]'}
NOTIFY = {'notify = ["email:asha", "sms:asha"]': 'notify = ["webhook:ops-room", "webhook:chat"]'}


def settings(**replaced: str) -> Settings:
    return some_settings(WEBHOOKS, **(replaced or NOTIFY))


@pytest.fixture
def stage() -> Stage:
    return memory_stage(settings())


def uploads(count: int) -> list[Event]:
    return [an_upload(f"in/{number}.pdf", sequencer=f"{number:04}") for number in range(count)]


def arrived(stage: Stage) -> list[str]:
    return [accepted.to for accepted in stage.chat.accepted]


def test_webhook_receives_a_card_in_its_own_time_zone(stage: Stage) -> None:
    stage.take(an_upload())
    assert arrived(stage) == ["ops-room", "chat"]
    card = stage.chat.accepted[0].message.card
    assert card
    assert dict(card.facts)["When"].endswith("17:30 IST")


def test_redelivered_event_reaches_a_webhook_once(stage: Stage) -> None:
    for _ in range(2):
        stage.take(an_upload())
    assert arrived(stage) == ["ops-room", "chat"]


def test_webhook_over_its_budget_gets_the_rest_as_one_message(stage: Stage) -> None:
    stage.take(*uploads(8))
    assert (arrived(stage).count("ops-room"), arrived(stage).count("chat")) == (3, 8)
    stage.sweep_for(hours=1, minutes=5)
    last = [accepted for accepted in stage.chat.accepted if accepted.to == "ops-room"][-1]
    assert arrived(stage).count("ops-room") == 4
    assert "5 files" in last.message.text


def test_urgent_message_to_a_webhook_is_sent_over_budget() -> None:
    stage = memory_stage(settings(**NOTIFY, **{'then = "off"\n': 'then = "off"\nurgent = true\n'}))
    stage.take(*uploads(5))
    assert arrived(stage).count("ops-room") == 5


def test_webhook_that_does_not_exist_any_more_is_suppressed_until_a_test_succeeds(stage: Stage) -> None:
    stage.chat.answers = [Answer.BAD_ADDRESS]
    stage.take(uploads(1)[0])
    stage.take(uploads(2)[1])
    assert arrived(stage) == ["chat", "chat"]
    assert stage.sent[0][1] == "ben@example.com"  # the owner
    (dropped,) = [row for row in stage.ledger.rows.values() if row.state is State.DROPPED]
    assert "dropnote test ops-room" in dropped.detail
    send_test(stage.deliverer, "ops-room", "r1", plenty)
    stage.take(uploads(3)[2])
    assert arrived(stage).count("ops-room") == 2


def test_unknown_outcome_of_a_webhook_is_sent_again_with_the_same_id(stage: Stage) -> None:
    stage.chat.answers = [Answer.LOST_AFTER]
    stage.take(an_upload())
    stage.sweep_for(minutes=10)
    ids = [accepted.delivery for accepted in stage.chat.accepted if accepted.to == "ops-room"]
    assert (len(ids), len(set(ids))) == (2, 1)


def test_webhook_may_own_the_bot() -> None:
    stage = memory_stage(some_settings(WEBHOOKS, **{'owner = "ben"': 'owner = "chat"'}))
    stage.mail.answers = [Answer.REJECT]
    stage.take(an_upload())
    assert arrived(stage) == ["chat"]
    assert "was abandoned" in stage.chat.accepted[0].message.text


class Limited:
    """A service that accepts so many messages per second and webhook."""

    def __init__(self, stage: Stage, per_second: int) -> None:
        self._stage, self._per_second = stage, per_second
        self.refused: list[str] = []

    def allows(self, accepted: list[Accepted], to: str) -> bool:
        since = self._stage.now - timedelta(seconds=1)
        return sum(each.to == to and each.at > since for each in accepted) < self._per_second


def test_throttled_webhook_does_not_slow_down_another(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    limited, original = Limited(stage, 1), stage.chat.send

    def send(message: object, *, to: str, delivery_id: str) -> object:
        if to == "ops-room" and not limited.allows(stage.chat.accepted, to):
            limited.refused.append(to)
            raise DeliveryError(Reason.RATE, "slow down")
        return original(message, to=to, delivery_id=delivery_id)  # type: ignore[arg-type]

    monkeypatch.setattr(stage.chat, "send", send)
    started = stage.now
    stage.take(*uploads(3))
    assert arrived(stage) == ["ops-room", "chat", "chat", "chat"]  # only the first container's attempt was refused
    assert [queue.lane for queue in stage.ledger.queues.read().queues] == ["webhook:ops-room"]
    stage.sweep()
    assert arrived(stage).count("ops-room") == 3
    assert stage.deliverer.control.now().paces.keys() == {"webhook:ops-room"}
    assert stage.now - started < timedelta(minutes=1)


def test_each_webhook_is_sent_at_the_rate_of_its_service(stage: Stage) -> None:
    for event in uploads(20):
        stage.bot.intake.hold(event, Reason.WAITING)
    started = stage.now
    stage.sweep()
    last = max(accepted.at for accepted in stage.chat.accepted if accepted.to == "chat")
    assert 19 / 2.5 <= (last - started).total_seconds() < 19 / 2.5 * 1.2
    assert arrived(stage).count("ops-room") == 3  # its budget


WHATSAPP = '[whatsapp]\naccount = "AC1"\nfrom = "+447700900999"\n'
ON_WHATSAPP = {
    '[people.asha]\nemail = "asha@example.com"\nsms = "+919812345678"': '[people.asha]\nemail = "asha@example.com"\n'
    'whatsapp = "+919812345678"\nbudget = "2 per hour"',
    'notify = ["email:asha", "sms:asha"]': 'notify = ["whatsapp:asha"]\nfallback = "10m"',
}


def test_whatsapp_over_budget_becomes_an_e_mail() -> None:
    stage = memory_stage(some_settings(WHATSAPP, **ON_WHATSAPP))
    stage.take(*uploads(2))
    assert [channel for channel, _, _ in stage.sent] == [Channel.WHATSAPP] * 2
    stage.take(uploads(3)[2])
    assert stage.rows()["whatsapp"].reason is Reason.OVER_BUDGET


def test_whatsapp_outside_the_session_falls_back_to_e_mail() -> None:
    stage = memory_stage(some_settings(WHATSAPP, **ON_WHATSAPP))
    stage.whatsapp.answers = [Answer.REJECT]
    stage.take(an_upload())
    assert [channel for channel, _, _ in stage.sent][:1] == [Channel.EMAIL]


def test_lost_response_of_whatsapp_is_looked_up_in_the_list() -> None:
    stage = memory_stage(some_settings(WHATSAPP, **ON_WHATSAPP))
    stage.whatsapp.answers = [Answer.LOST_AFTER]
    stage.take(an_upload())
    stage.sweep_for(minutes=10)
    assert (stage.rows()["whatsapp"].reason, len(stage.whatsapp.accepted)) == (Reason.FOUND, 1)


FORUM = '[webhooks.ops]\nformat = "discord"\nforum = true\n[webhooks.room]\nformat = "discord"\n'


def incident_notices(webhook: str, settings: Settings) -> list[Notice]:
    """An incident that opens, is reminded of and ends."""
    recipient, notices = Recipient(Channel.WEBHOOK, settings.people[webhook]), []
    for name in ("incident", "incident-reminder", "incident-resolved"):
        event = sample_incidents()[name]
        root = sample_incidents()["incident"].identity
        assert event.news
        event = replace(event, news=replace(event.news, root=root))
        notices.append(Notice(event, "shop", "incident", recipient, timedelta(hours=1)))
    return notices


def replies(stage: Stage, notices: list[Notice]) -> list[str]:
    for notice in notices:
        stage.deliverer.deliver(notice, plenty)
    return [accepted.message.reply_to for accepted in stage.chat.accepted]


def test_updates_of_an_incident_join_the_thread_of_its_first_message_in_a_forum() -> None:
    stage = memory_stage(some_settings(FORUM))
    assert replies(stage, incident_notices("ops", stage.deliverer.settings)) == ["", "webhook-1", "webhook-1"]
    assert replies(stage, incident_notices("room", stage.deliverer.settings))[3:] == ["", "", ""]  # not a forum


def test_update_starts_a_thread_if_the_first_message_was_not_sent() -> None:
    stage = memory_stage(some_settings(FORUM))
    stage.chat.answers = [Answer.REJECT]
    assert replies(stage, incident_notices("ops", stage.deliverer.settings)) == ["", ""]


def test_update_is_sent_although_a_later_version_wrote_the_first_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(_: str) -> None:
        raise UnreadableRow("version 2")

    stage = memory_stage(some_settings(FORUM))
    monkeypatch.setattr(stage.ledger, "get", unreadable)
    assert replies(stage, incident_notices("ops", stage.deliverer.settings)) == ["", "", ""]


def test_waiting_messages_to_teams_are_sent_at_the_pace_of_its_flow_bot() -> None:
    stage = memory_stage(some_settings('[webhooks.room]\nformat = "teams"\n', **NOTIFY_ROOM))
    for event in uploads(12):
        stage.bot.intake.hold(event, Reason.WAITING)
    started = stage.now
    stage.sweep_for(minutes=5)
    assert len(stage.chat.accepted) == 12
    assert (stage.chat.accepted[-1].at - started).total_seconds() >= 11 * 12


def test_severity_is_in_the_tone_of_the_card() -> None:
    stage = memory_stage(settings(**NOTIFY, **{'then = "off"\n': 'then = "off"\nseverity = "warning"\n'}))
    stage.take(an_upload())
    message = stage.chat.accepted[0].message
    assert message.card
    assert (message.card.tone, message.card.title[:9]) == (Tone.WARNING, "[WARNING]")


def test_webhook_may_have_a_digest() -> None:
    stage = memory_stage(some_settings(WEBHOOKS.replace("budget = []", 'digest = "hourly"\nall_quiet = true'), **NOTIFY))
    stage.take(*uploads(2))
    stage.sweep_for(hours=2, minutes=5)
    digests = [accepted.message.text.splitlines()[0] for accepted in stage.chat.accepted if accepted.to == "chat"]
    assert digests == ["2 files, rule uploads (2.4 KB)", "All quiet"]
