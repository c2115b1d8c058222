"""Tasks: checked input, a clear result, and the same guarantees as any message."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.delivery.tasks import TASKS
from chalicelib.domain.budget import ExhaustedBudget
from chalicelib.domain.settings import Settings
from chalicelib.policy.budget import parse_limit, scopes
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty
from workbench.local.demo.faulty_server import FaultyServer

MONITOR = '\n[[monitors]]\nname = "shop"\nkind = "http"\nurl = "{url}"\nfailures = 1\nnotify = "email:ben"\n'
QUIET = 'timezone = "UTC"\nquiet = "10:00-14:00"'


def quiet_settings() -> Settings:
    return some_settings(**{"[people.ben]": f"[people.ben]\n{QUIET}"})


def run(stage: Stage, task: str, payload: Any, request: str = "r1") -> dict[str, Any]:
    return stage.bot.run_task(task, payload, request, plenty)


def test_message_goes_to_every_channel_of_a_person_and_to_one_of_a_group() -> None:
    stage = memory_stage()
    result = run(stage, "send", {"to": ["asha", "email:finance"], "words": {"title": "Maintenance", "text": "Tonight at 22:00"}})
    assert [(delivery["person"], delivery["channel"], delivery["state"]) for delivery in result["deliveries"]] == [
        ("asha", "email", "sent"), ("asha", "sms", "sent"), ("ben", "email", "sent"),
    ]  # fmt: skip
    assert stage.text.accepted[0].message.text == "acme-drops: Maintenance. Tonight at 22:00"
    assert stage.mail.accepted[0].message.subject == "Maintenance"


def test_same_request_and_same_id_send_once() -> None:
    stage = memory_stage()
    words = {"text": "hello"}
    for request in ("r1", "r1", "r2"):
        last = run(stage, "send", {"to": ["ben"], "words": words}, request)
    assert len(stage.mail.accepted) == 2
    for request in ("r3", "r4"):
        last = run(stage, "send", {"to": ["ben"], "words": words, "id": "noon"}, request)
    assert len(stage.mail.accepted) == 3
    assert last == {"deliveries": [], "says": "already sent under the same id"}


@pytest.mark.parametrize(
    ("task", "payload", "expected"),
    [
        ("send", {}, "missing field 'to'"),
        ("send", None, "missing field 'to'"),
        ("send", [], "Expected object"),
        ("send", {"to": "ben"}, "Expected array"),
        ("send", {"to": []}, "Expected array of length >= 1 - at $.to"),
        ("send", {"to": ["sms:ben"]}, "to: 'sms:ben' cannot be reached"),
        ("send", {"to": [""]}, "to: unknown person or group ''"),
        ("send", {"to": ["bne"]}, "to: unknown person or group 'bne'; did you mean 'ben'?"),
        ("send", {"to": ["emial:ben"]}, "to: unknown channel 'emial'; did you mean 'email'?"),
        ("send", {"to": ["ben"], "template": "mesage"}, "template: unknown template 'mesage'; did you mean 'message'?"),
        ("send", {"to": ["ben"], "words": {"a": 1}}, "Expected str"),
        ("send", {"to": ["ben"], "words": {"a": "x" * 2001}}, "length <= 2000 - at $.words"),
        ("send", {"to": ["ben"], "words": {"x" * 101: "a"}}, "length <= 100 - at key in $.words"),
        ("send", {"to": ["ben"], "words": {str(number): "a" for number in range(21)}}, "length <= 20 - at $.words"),
        ("send", {"to": ["ben"], "words": {"text": "\ud83c"}}, "words: 'text' contains an unpaired surrogate"),
        ("send", {"to": ["ben"], "words": {"\ud83c": "text"}}, "contains an unpaired surrogate"),
        ("send", {"to": ["ben"], "urgnt": True}, "unknown field urgnt"),
        ("send", {"to": ["ben"], "two\nlines" * 1000: True}, r"unknown field two\nlines"),
        ("send", {"to": ["ben"], "\ud83c": True}, "unpaired surrogate"),
        ("watch_now", {"shop" * 1000 + "\ud83c": True}, "unpaired surrogate"),
        ("watch_now", {"monitor": "shap"}, "unknown monitor 'shap'; the settings have no monitors"),
        ("digest_now", {}, "missing field 'who'"),
        ("digest_now", {"who": "ash"}, "did you mean 'asha'?"),
    ],
)
def test_input_errors_are_one_sentence(task: str, payload: Any, expected: str) -> None:
    stage = memory_stage()
    error = run(stage, task, payload)["error"]
    assert expected in error
    assert (len(error) < 600, "\n" in error) == (True, False)
    assert stage.sent == []


def test_message_is_deferred_by_quiet_hours_unless_urgent() -> None:
    stage = memory_stage(quiet_settings())
    run(stage, "send", {"to": ["ben"], "words": {"title": "Calm", "text": "later"}})
    run(stage, "send", {"to": ["ben"], "words": {"title": "Fire", "text": "now"}, "urgent": True}, "r2")
    assert [mail.message.subject for mail in stage.mail.accepted] == ["Fire"]
    stage.sweep_for(hours=3)
    assert [mail.message.subject for mail in stage.mail.accepted] == ["Fire", "Calm"]  # a single deferred message reads as usual


def test_messages_deferred_together_are_sent_as_one() -> None:
    stage = memory_stage(quiet_settings())
    for request in ("r1", "r2"):
        run(stage, "send", {"to": ["ben"], "words": {"title": "News", "text": f"hello {request}"}}, request)
    stage.sweep_for(hours=3)
    (mail,) = stage.mail.accepted
    assert all(f"News: hello {request}" in mail.message.text for request in ("r1", "r2"))


def test_hostile_words_are_shown_harmlessly() -> None:
    stage = memory_stage()
    words = {"title": "hi\r\nBcc: eve@example.net", "text": "one\r\ntwo\u202e {{ 7 * 7 }}", "<b>x\n": "a\n<img src=x>"}
    run(stage, "send", {"to": ["asha"], "words": words})
    mail, text = stage.mail.accepted[0].message, stage.text.accepted[0].message
    assert mail.subject == r"hi\r\nBcc: eve@example.net"
    assert mail.text.startswith("one\ntwo\\u202e {{ 7 * 7 }}\n")
    assert r"<b>x\n: a\n<img src=x>" in mail.text
    assert "<img src=x>" not in mail.html
    assert "one\ntwo" in text.text
    assert "{{ 7 * 7 }}" in text.text


def test_failing_template_is_replaced_by_the_plain_one_and_the_result_says_so() -> None:
    stage = memory_stage()
    words = {"title": "Maintenance", "text": "Tonight"}
    result = run(stage, "send", {"to": ["sms:asha"], "template": "upload", "words": words})
    assert [(delivery["channel"], delivery["state"]) for delivery in result["deliveries"]] == [("sms", "sent")]
    assert result["says"].startswith("sent with the plain template instead: template upload, sms.txt line 1: UndefinedError")
    assert stage.text.accepted[0].message.text == "acme-drops: Maintenance: Tonight"
    assert "says" not in run(stage, "send", {"to": ["sms:asha"], "words": words}, "r2")


def test_message_over_budget_is_deferred_and_an_urgent_mail_is_not() -> None:
    stage = memory_stage(some_settings(**{"[people.ben]": '[people.ben]\nbudget = "1 per hour"'}))
    limit, until = parse_limit("1 per hour"), NOON + timedelta(hours=1)
    stage.deliverer.control.record_exhausted(ExhaustedBudget(scopes("ben", "")[0], limit, NOON, until))
    calm = run(stage, "send", {"to": ["ben"], "words": {"title": "Calm", "text": "later"}})
    fire = run(stage, "send", {"to": ["ben"], "words": {"title": "Fire", "text": "now"}, "urgent": True}, "r2")
    assert [result["deliveries"][0]["state"] for result in (calm, fire)] == ["bundled", "sent"]
    stage.sweep_for(hours=2)
    assert [mail.message.subject for mail in stage.mail.accepted] == ["Fire", "Calm"]


def test_message_that_fails_temporarily_is_sent_later_with_its_own_template() -> None:
    stage = memory_stage()
    stage.answer(Answer.LOST_BEFORE)
    run(stage, "send", {"to": ["ben"], "words": {"title": "Maintenance", "text": "Tonight"}})
    stage.sweep_for(hours=1)
    assert [mail.message.subject for mail in stage.mail.accepted] == ["Maintenance"]


def test_watch_now_checks_even_if_not_due_and_sends_changes() -> None:
    with FaultyServer() as server:
        stage = memory_stage(some_settings(MONITOR.format(url=server.url)))
        assert run(stage, "watch_now", {})["monitors"][0]["level"] == "ok"
        server.mode = "failing"
        results = [run(stage, "watch_now", {"monitor": "shop"}) for _ in range(2)]
        error = run(stage, "watch_now", {"monitor": "shap"})["error"]
    assert error == "monitor: unknown monitor 'shap'; did you mean 'shop'?"
    assert [(result["told"], result["monitors"][0]["told"]) for result in results] == [(1, 1), (0, 0)]
    shop = {"name": "shop", "level": "error", "says": "returned 503, not 2xx", "told": 1}
    (row,) = results[0]["monitors"]
    assert row == {**shop, "looked_at": "2026-03-02T12:00:00+00:00", "value": row["value"]}
    assert row["value"].startswith("503")


def test_watch_now_counts_a_message_when_it_is_sent() -> None:
    with FaultyServer() as server:
        stage = memory_stage(some_settings(MONITOR.format(url=server.url)))
        server.mode = "failing"
        insert, stage.ledger.insert = stage.ledger.insert, _fail
        counts = [run(stage, "watch_now", {"monitor": "shop"})["monitors"][0]["told"]]
        stage.ledger.insert = insert
        counts += [run(stage, "watch_now", {"monitor": "shop"})["monitors"][0]["told"] for _ in range(2)]
    assert counts == [0, 1, 0]


def _fail(*_: object) -> Any:
    raise RuntimeError("process ended")


def test_watch_now_without_monitors_says_so() -> None:
    assert run(memory_stage(), "watch_now", {})["says"] == "the settings have no monitors"


def test_digest_now_sends_deferred_messages_once() -> None:
    stage = memory_stage(some_settings(**{"[people.ben]": f"[people.ben]\n{QUIET}", '"sms:asha"]': '"sms:asha", "email:ben"]'}))
    for number in range(3):
        stage.take(an_upload(f"in/{number}.csv", sequencer=f"0{number}"))
    assert run(stage, "digest_now", {"who": "ben"})["channels"] == ["email"]
    assert run(stage, "digest_now", {"who": "ben"})["digests"] == 0  # already requested
    stage.take(an_upload("in/after.csv", sequencer="09"))
    assert run(stage, "digest_now", {"who": "asha"})["says"] == "nothing is deferred for asha"
    stage.sweep_for(minutes=5)
    subjects = [mail.message.subject for mail in stage.mail.accepted if mail.to == "ben@example.com"]
    assert subjects == ["3 files, rule uploads (3.6 KB), quiet hours"]
    stage.take(an_upload("in/0.csv", sequencer="00"))  # redelivered
    stage.sweep_for(hours=3)
    subjects = [mail.message.subject for mail in stage.mail.accepted if mail.to == "ben@example.com"]
    assert (len(subjects), subjects[-1]) == (2, "after.csv arrived (1.2 KB)")


def test_every_task_has_a_help_text() -> None:
    assert all(task.help and task.input.__doc__ for task in TASKS.values())
