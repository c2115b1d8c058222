"""Deliberate tasks: checked input, a clear result, and the same promises as any message."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.settings import Settings
from chalicelib.tasks import TASKS, asked
from tests.builders import an_upload, some_settings
from tests.providers import Answer
from tests.worlds import Stage, memory_stage, plenty
from workbench.weak_server import WeakServer

MONITOR = '\n[[monitors]]\nname = "shop"\nkind = "http"\nurl = "{url}"\nfailures = 1\nnotify = "email:ben"\n'
QUIET = 'timezone = "UTC"\nquiet = "10:00-14:00"'


def quiet_settings() -> Settings:
    return some_settings(**{"[people.ben]": f"[people.ben]\n{QUIET}"})


def do(stage: Stage, task: str, payload: Any, request: str = "r1") -> dict[str, Any]:
    return asked(task, stage.bot, stage.settings, payload, request, plenty)


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
        ("send", {"to": []}, "to names nobody"),
        ("send", {"to": ["bne"]}, "no person or group 'bne'; did you mean 'ben'?"),
        ("send", {"to": ["emial:ben"]}, "'emial' is no channel; did you mean 'email'?"),
        ("send", {"to": ["ben"], "template": "mesage"}, "no template 'mesage'; did you mean 'message'?"),
        ("send", {"to": ["ben"], "words": {"a": 1}}, "Expected str"),
        ("send", {"to": ["ben"], "words": {"a": "x" * 2001}}, "words are 20 at the most"),
        ("send", {"to": ["ben"], "urgnt": True}, "unknown field urgnt"),
        ("watch_now", {"monitor": "shap"}, "no monitor 'shap'"),
        ("digest_now", {}, "required field who"),
        ("digest_now", {"who": "ash"}, "did you mean 'asha'?"),
    ],
)
def test_mistakes_are_one_sentence(task: str, payload: Any, says: str) -> None:
    stage = memory_stage()
    assert says in do(stage, task, payload)["error"]
    assert stage.sent == []


def test_message_waits_for_quiet_hours_unless_it_is_urgent_and_survives_a_retry() -> None:
    stage = memory_stage(quiet_settings())
    do(stage, "send", {"to": ["ben"], "words": {"text": "calm"}})
    do(stage, "send", {"to": ["ben"], "words": {"text": "now"}, "urgent": True}, "r2")
    assert [each.message.text.splitlines()[0] for each in stage.mail.taken] == ["now"]
    stage.sweep_for(hours=3)
    assert "calm" in stage.mail.taken[-1].message.text


def test_message_that_fails_for_now_is_sent_with_its_own_template_later() -> None:
    stage = memory_stage()
    stage.answer(Answer.LOST_BEFORE)
    do(stage, "send", {"to": ["ben"], "words": {"title": "Maintenance", "text": "Tonight"}})
    stage.sweep_for(hours=1)
    assert [each.message.subject for each in stage.mail.taken] == ["Maintenance"]


def test_watch_now_looks_whatever_is_due_and_tells() -> None:
    with WeakServer() as server:
        stage = memory_stage(some_settings(MONITOR.format(url=server.url)))
        assert do(stage, "watch_now", {})["monitors"][0]["level"] == "ok"
        server.mode = "failing"
        told = do(stage, "watch_now", {"monitor": "shop"})
    assert told["told"] == 1
    assert told["monitors"][0]["says"] == "answered 503, not 2xx"


def test_digest_now_tells_what_waits_and_nothing_of_it_twice() -> None:
    stage = memory_stage(some_settings(**{"[people.ben]": f"[people.ben]\n{QUIET}", '"sms:asha"]': '"sms:asha", "email:ben"]'}))
    for number in range(3):
        stage.take(an_upload(f"in/{number}.csv", sequencer=f"0{number}"))
    assert do(stage, "digest_now", {"who": "ben"})["digests"] == 1
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
    assert timedelta(0) < plenty()
