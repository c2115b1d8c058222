"""`dropnote run`: deliberate tasks by their functions; what is not in order is said before anything is asked for."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.support.builders import some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty
from workbench.cli.main import main
from workbench.local.demo.faulty_server import FaultyServer

MONITOR = '\n[[monitors]]\nname = "shop"\nkind = "http"\nurl = "{url}"\nfailures = 1\nnotify = "email:ben"\n'


@dataclass
class Account:
    """An account whose functions a test holds in its hand. `breaks`: what Lambda says instead of an answer."""

    stage_: Stage
    stage: str = "prod"
    breaks: Any = None
    invoked: list[tuple[str, Any]] = field(default_factory=list)

    def client(self, service: str) -> Any:
        assert service == "lambda"
        return self

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803  the names that boto3 asks for
        name, payload = FunctionName.removeprefix("dropnote-prod-"), json.loads(Payload)
        self.invoked.append((name, payload))
        if self.breaks is not None:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(self.breaks).encode())}
        request = f"r{len(self.invoked)}"
        told = self.stage_.bot.run_task(name, payload, request, plenty)
        return {"Payload": io.BytesIO(json.dumps(told).encode())}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    account = Account(memory_stage())
    monkeypatch.setattr("workbench.cli.deliveries.find_account", lambda name: account)
    return account


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments])


def test_tasks_are_listed_without_an_account() -> None:
    assert [line.split("\t")[0] for line in run().output.splitlines()] == ["task", "send", "watch_now", "digest_now"]
    assert json.loads(run("--json").output)["watch_now"]["fields"] == ["monitor"]


def test_help_says_how_others_may_ask() -> None:
    told = run("--help").output
    assert "lambda:InvokeFunction on the function's ARN" in told
    assert "arn:aws:lambda:REGION:ACCOUNT:function:dropnote-STAGE-TASK" in told


def test_words_nest_and_lists_have_commas(account: Account) -> None:
    result = run("send", "to=asha, email:ben", "to=ben", "words.title=Hello", "words.text=a=b, c", "urgent=yes", "id=7")
    wanted = {"to": ["asha", "email:ben", "ben"], "words": {"title": "Hello", "text": "a=b, c"}, "urgent": True, "id": "7"}
    assert account.invoked == [("send", wanted)]
    lines = [line.split("\t")[:3] for line in result.stdout.splitlines()]
    assert (result.exit_code, lines) == (
        0,
        [["person", "channel", "state"], ["asha", "email", "sent"], ["asha", "sms", "sent"], ["ben", "email", "sent"]],
    )


def test_message_has_an_id_so_that_a_repeated_request_sends_once(account: Account) -> None:
    for _ in range(2):
        run("send", "to=ben", "words.text=hello")
    ids = [payload["id"] for _, payload in account.invoked]
    assert len(set(ids)) == 2
    assert all(len(each) == 32 for each in ids)


def test_same_id_says_that_it_was_sent_before(account: Account) -> None:
    results = [run("send", "to=ben", "words.text=hello", "id=noon") for _ in range(2)]
    assert [each.exit_code for each in results] == [0, 0]
    assert results[1].stdout == "it was sent before, under the same id\n"


def test_message_that_was_not_sent_is_exit_code_1(account: Account) -> None:
    account.stage_.answer(Answer.REFUSE)
    result = run("send", "to=email:ben", "words.text=hello", "--json")
    assert (result.exit_code, json.loads(result.stdout)["deliveries"][0]["state"]) == (1, "failed")


def test_monitor_is_looked_at_and_what_waits_is_told(account: Account) -> None:
    with FaultyServer() as server:
        account.stage_ = memory_stage(some_settings(MONITOR.format(url=server.url)))
        told = run("watch_now", "monitor=shop").stdout.splitlines()
    assert told[1].startswith("shop\tok\tanswered 200")
    assert told[2] == "0 messages told"
    assert run("digest_now", "who=asha").stdout == "nothing waits for asha\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "There is no task 'nothing'; there are: digest_now, send, watch_now"),
        (["sned"], "did you mean 'send'?"),
        (["send"], "required field to"),
        (["send", "to"], "'to' is no KEY=VALUE"),
        (["send", "=ben"], "'=ben' is no KEY=VALUE"),
        (["send", "to=ben", "words.=x"], "'words.=x' is no KEY=VALUE"),
        (["send", "to=ben", "words=x", "words.title=y"], "'words' was given before"),
        (["send", "to=ben", "id=1", "id=2"], "'id' was given before"),
        (["send", "to=ben", "urgent=perhaps"], "Expected bool"),
        (["send", "to=ben", "urgnt=yes"], "unknown field urgnt"),
        (["send", "to=ben", f"words.text={'x' * 2001}"], "length <= 2000"),
        (["digest_now"], "required field who"),
    ],
)
def test_mistakes_are_said_before_anything_is_invoked(account: Account, arguments: list[str], says: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, says in result.output, account.invoked) == (2, True, [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["send", "to=bne"], "did you mean 'ben'?"),
        (["watch_now", "monitor=x"], "no monitor 'x'"),
        (["digest_now", "who=ash"], "did you mean 'asha'?"),
    ],
)
def test_what_the_function_refuses_is_exit_code_1(account: Account, arguments: list[str], says: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, says in result.stderr, result.stderr.count("\n")) == (1, True, 1)
    assert json.loads(run(*arguments, "--json").stdout)["error"]


@pytest.mark.parametrize(
    ("breaks", "why"), [({"errorMessage": "Task timed out after 60.00 seconds"}, "timed out"), (None, ""), ("odd", "odd")]
)
def test_function_that_fails_is_one_sentence(account: Account, breaks: Any, why: str) -> None:
    account.breaks = breaks if breaks is not None else {}
    result = run("watch_now")
    assert (result.exit_code, why in result.stderr, "its log says more" in result.stderr) == (1, True, True)
