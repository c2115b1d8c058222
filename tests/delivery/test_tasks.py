"""Deliberate tasks: checked input, a clear result, and the same promises as any message."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.delivery.tasks import TASKS
from chalicelib.domain.budget import ExhaustedBudget
from chalicelib.domain.settings import Settings
from chalicelib.policy.budget import parse, scopes
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty
from workbench.local.demo.faulty_server import FaultyServer

MONITOR = '\n[[monitors]]\nname = "shop"\nkind = "http"\nurl = "{url}"\nfailures = 1\nnotify = "email:ben"\n'
QUIET = 'timezone = "UTC"\nquiet = "10:00-14:00"'


def quiet_settings() -> Settings:
    return some_settings(**{"[people.ben]": f"[people.ben]\n{QUIET}"})


def do(stage: Stage, task: str, payload: Any, request: str = "r1") -> dict[str, Any]:
    return stage.bot.run_task(task, payload, request, plenty)


def test_message_goes_to_every_channel_of_a_person_and_to_one_of_a_group() -> None:
    stage = memory_stage()
    told = do(stage, "send", {"to": ["asha", "email:finance"], "words": {"title": "Maintenance", "text": "Tonight at 22:00"}})
    assert [(each["person"], each["channel"], each["state"]) for each in told["deliveries"]] == [
        ("asha", "email", "sent"), ("asha", "sms", "sent"), ("ben", "email", "sent"),
    ]  # fmt: skip
    assert stage.text.taken[0].message.text == "acme-drops: Maintenance. Tonight at 22:00"
    assert stage.mail.taken[0].message.subject == "Maintenance"


def test_same_request_and_same_id_send_once() -> None:
    stage = memory_stage()
    words = {"text": "hello"}
    for request in ("r1", "r1", "r2"):
        last = do(stage, "send", {"to": ["ben"], "words": words}, request)
    assert len(stage.mail.taken) == 2
    for request in ("r3", "r4"):
        last = do(stage, "send", {"to": ["ben"], "words": words, "id": "noon"}, request)
    assert len(stage.mail.taken) == 3
    assert last == {"deliveries": [], "says": "it was sent before, under the same id"}


@pytest.mark.parametrize(
    ("task", "payload", "says"),
    [
        ("send", {}, "required field to"),
        ("send", None, "required field to"),
        ("send", [], "Expected object"),
        ("send", {"to": "ben"}, "Expected array"),
        ("send", {"to": []}, "Expected array of length >= 1 - at $.to"),
        ("send", {"to": ["sms:ben"]}, "nobody can be reached by 'sms:ben'"),
        ("send", {"to": [""]}, "no person or group ''"),
        ("send", {"to": ["bne"]}, "no person or group 'bne'; did you mean 'ben'?"),
        ("send", {"to": ["emial:ben"]}, "'emial' is no channel; did you mean 'email'?"),
        ("send", {"to": ["ben"], "template": "mesage"}, "no template 'mesage'; did you mean 'message'?"),
        ("send", {"to": ["ben"], "words": {"a": 1}}, "Expected str"),
        ("send", {"to": ["ben"], "words": {"a": "x" * 2001}}, "length <= 2000 - at $.words"),
        ("send", {"to": ["ben"], "words": {"x" * 101: "a"}}, "length <= 100 - at key in $.words"),
        ("send", {"to": ["ben"], "words": {str(each): "a" for each in range(21)}}, "length <= 20 - at $.words"),
        ("send", {"to": ["ben"], "words": {"text": "\ud83c"}}, "words: 'text' has half of a letter"),
        ("send", {"to": ["ben"], "words": {"\ud83c": "text"}}, "has half of a letter"),
        ("send", {"to": ["ben"], "urgnt": True}, "unknown field urgnt"),
        ("send", {"to": ["ben"], "two\nlines" * 1000: True}, r"unknown field two\nlines"),
        ("send", {"to": ["ben"], "\ud83c": True}, "half of a letter"),
        ("watch_now", {"shop" * 1000 + "\ud83c": True}, "half of a letter"),
        ("watch_now", {"monitor": "shap"}, "no monitor 'shap'; there are none"),
        ("digest_now", {}, "required field who"),
        ("digest_now", {"who": "ash"}, "did you mean 'asha'?"),
    ],
)
def test_mistakes_are_one_sentence(task: str, payload: Any, says: str) -> None:
    stage = memory_stage()
    error = do(stage, task, payload)["error"]
    assert says in error
    assert (len(error) < 600, "\n" in error) == (True, False)
    assert stage.sent == []


def test_message_waits_for_quiet_hours_unless_it_is_urgent() -> None:
    stage = memory_stage(quiet_settings())
    do(stage, "send", {"to": ["ben"], "words": {"title": "Calm", "text": "later"}})
    do(stage, "send", {"to": ["ben"], "words": {"title": "Fire", "text": "now"}, "urgent": True}, "r2")
    assert [each.message.subject for each in stage.mail.taken] == ["Fire"]
    stage.sweep_for(hours=3)
    assert [each.message.subject for each in stage.mail.taken] == ["Fire", "Calm"]  # alone it reads as it would have


def test_messages_that_waited_together_come_as_one() -> None:
    stage = memory_stage(quiet_settings())
    for request in ("r1", "r2"):
        do(stage, "send", {"to": ["ben"], "words": {"title": "News", "text": f"hello {request}"}}, request)
    stage.sweep_for(hours=3)
    (mail,) = stage.mail.taken
    assert all(f"News: hello {request}" in mail.message.text for request in ("r1", "r2"))


def test_hostile_words_are_shown_and_do_nothing() -> None:
    stage = memory_stage()
    words = {"title": "hi\r\nBcc: eve@example.net", "text": "one\r\ntwo\u202e {{ 7 * 7 }}", "<b>x\n": "a\n<img src=x>"}
    do(stage, "send", {"to": ["asha"], "words": words})
    mail, text = stage.mail.taken[0].message, stage.text.taken[0].message
    assert mail.subject == r"hi\r\nBcc: eve@example.net"
    assert mail.text.startswith("one\ntwo\\u202e {{ 7 * 7 }}\n")
    assert r"<b>x\n: a\n<img src=x>" in mail.text
    assert "<img src=x>" not in mail.html
    assert "one\ntwo" in text.text
    assert "{{ 7 * 7 }}" in text.text


def test_template_that_cannot_say_it_gives_way_to_the_plain_one_and_the_result_says_so() -> None:
    stage = memory_stage()
    words = {"title": "Maintenance", "text": "Tonight"}
    told = do(stage, "send", {"to": ["sms:asha"], "template": "upload", "words": words})
    assert [(each["channel"], each["state"]) for each in told["deliveries"]] == [("sms", "sent")]
    assert told["says"].startswith("the plain template says it instead: template upload, sms.txt line 1: UndefinedError")
    assert stage.text.taken[0].message.text == "acme-drops: Maintenance: Tonight"
    assert "says" not in do(stage, "send", {"to": ["sms:asha"], "words": words}, "r2")


def test_message_over_budget_waits_and_an_urgent_mail_does_not() -> None:
    stage = memory_stage(some_settings(**{"[people.ben]": '[people.ben]\nbudget = "1 per hour"'}))
    limit, until = parse("1 per hour"), NOON + timedelta(hours=1)
    stage.deliverer.control.record_exhausted(ExhaustedBudget(scopes("ben", "")[0], limit, NOON, until))
    calm = do(stage, "send", {"to": ["ben"], "words": {"title": "Calm", "text": "later"}})
    fire = do(stage, "send", {"to": ["ben"], "words": {"title": "Fire", "text": "now"}, "urgent": True}, "r2")
    assert [each["deliveries"][0]["state"] for each in (calm, fire)] == ["bundled", "sent"]
    stage.sweep_for(hours=2)
    assert [each.message.subject for each in stage.mail.taken] == ["Fire", "Calm"]


def test_message_that_fails_for_now_is_sent_with_its_own_template_later() -> None:
    stage = memory_stage()
    stage.answer(Answer.LOST_BEFORE)
    do(stage, "send", {"to": ["ben"], "words": {"title": "Maintenance", "text": "Tonight"}})
    stage.sweep_for(hours=1)
    assert [each.message.subject for each in stage.mail.taken] == ["Maintenance"]


def test_watch_now_looks_whatever_is_due_and_tells() -> None:
    with FaultyServer() as server:
        stage = memory_stage(some_settings(MONITOR.format(url=server.url)))
        assert do(stage, "watch_now", {})["monitors"][0]["level"] == "ok"
        server.mode = "failing"
        told = [do(stage, "watch_now", {"monitor": "shop"}) for _ in range(2)]
        error = do(stage, "watch_now", {"monitor": "shap"})["error"]
    assert error == "monitor: the settings have no monitor 'shap'; did you mean 'shop'?"
    assert [(each["told"], each["monitors"][0]["told"]) for each in told] == [(1, 1), (0, 0)]
    shop = {"name": "shop", "level": "error", "says": "answered 503, not 2xx", "told": 1}
    (found,) = told[0]["monitors"]
    assert found == {**shop, "looked_at": "2026-03-02T12:00:00+00:00", "value": found["value"]}
    assert found["value"].startswith("503")


def test_watch_now_counts_what_it_could_not_tell_when_it_is_told() -> None:
    with FaultyServer() as server:
        stage = memory_stage(some_settings(MONITOR.format(url=server.url)))
        server.mode = "failing"
        keep, stage.ledger.insert = stage.ledger.insert, _dies
        told = [do(stage, "watch_now", {"monitor": "shop"})["monitors"][0]["told"]]
        stage.ledger.insert = keep
        told += [do(stage, "watch_now", {"monitor": "shop"})["monitors"][0]["told"] for _ in range(2)]
    assert told == [0, 1, 0]


def _dies(*_: object) -> Any:
    raise RuntimeError("it was ended")


def test_watch_now_without_monitors_says_so() -> None:
    assert do(memory_stage(), "watch_now", {})["says"] == "the settings have no monitors"


def test_digest_now_tells_what_waits_and_nothing_of_it_twice() -> None:
    stage = memory_stage(some_settings(**{"[people.ben]": f"[people.ben]\n{QUIET}", '"sms:asha"]': '"sms:asha", "email:ben"]'}))
    for number in range(3):
        stage.take(an_upload(f"in/{number}.csv", sequencer=f"0{number}"))
    assert do(stage, "digest_now", {"who": "ben"})["channels"] == ["email"]
    assert do(stage, "digest_now", {"who": "ben"})["digests"] == 0  # on its way
    stage.take(an_upload("in/after.csv", sequencer="09"))
    assert do(stage, "digest_now", {"who": "asha"})["says"] == "nothing waits for asha"
    stage.sweep_for(minutes=5)
    told = [each.message.subject for each in stage.mail.taken if each.to == "ben@example.com"]
    assert told == ["3 files by rule uploads (3.6 KB), quiet hours"]
    stage.take(an_upload("in/0.csv", sequencer="00"))  # comes again
    stage.sweep_for(hours=3)
    told = [each.message.subject for each in stage.mail.taken if each.to == "ben@example.com"]
    assert (len(told), told[-1]) == (2, "after.csv arrived (1.2 KB)")


def test_every_task_says_what_it_does() -> None:
    assert all(task.says and task.input.__doc__ for task in TASKS.values())
