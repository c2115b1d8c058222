"""`dropnote run`: invokes the task's function; invalid input is an error before anything is invoked."""

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
    """An account whose functions run on a stage in memory. `failure`: what Lambda returns instead of a result."""

    stage_: Stage
    stage: str = "prod"
    failure: Any = None
    invoked: list[tuple[str, Any]] = field(default_factory=list)

    def client(self, service: str) -> Any:
        assert service == "lambda"
        return self

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803  boto3's own names
        name, payload = FunctionName.removeprefix("dropnote-prod-"), json.loads(Payload)
        self.invoked.append((name, payload))
        if self.failure is not None:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(self.failure).encode())}
        request = f"r{len(self.invoked)}"
        result = self.stage_.bot.run_task(name, payload, request, plenty)
        return {"Payload": io.BytesIO(json.dumps(result).encode())}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    account = Account(memory_stage())
    monkeypatch.setattr("workbench.cli.options.find_account", lambda name: account)
    return account


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments])


def test_tasks_are_listed_without_an_account() -> None:
    assert [line.split("\t")[0] for line in run().output.splitlines()] == ["task", "send", "watch_now", "digest_now"]
    assert json.loads(run("--json").output)["watch_now"]["fields"] == ["monitor"]


def test_help_says_how_programs_run_a_task() -> None:
    output = run("--help").output
    assert "lambda:InvokeFunction on the function's ARN" in output
    assert "arn:aws:lambda:REGION:ACCOUNT:function:dropnote-STAGE-TASK" in output


def test_dots_nest_fields_and_commas_separate_items(account: Account) -> None:
    result = run("send", "to=asha, email:ben", "to=ben", "words.title=Hello", "words.text=a=b, c", "urgent=yes", "id=7")
    expected = {"to": ["asha", "email:ben", "ben"], "words": {"title": "Hello", "text": "a=b, c"}, "urgent": True, "id": "7"}
    assert account.invoked == [("send", expected)]
    lines = [line.split("\t")[:3] for line in result.stdout.splitlines()]
    assert (result.exit_code, lines) == (
        0,
        [["person", "channel", "state"], ["asha", "email", "sent"], ["asha", "sms", "sent"], ["ben", "email", "sent"]],
    )


def test_message_gets_an_id_so_that_a_repeated_request_sends_once(account: Account) -> None:
    for _ in range(2):
        run("send", "to=ben", "words.text=hello")
    ids = [payload["id"] for _, payload in account.invoked]
    assert len(set(ids)) == 2
    assert all(len(id_) == 32 for id_ in ids)


def test_repeated_id_reports_that_it_was_sent_before(account: Account) -> None:
    results = [run("send", "to=ben", "words.text=hello", "id=noon") for _ in range(2)]
    assert [result.exit_code for result in results] == [0, 0]
    assert results[1].stdout == "already sent under the same id\n"


def test_unsent_message_exits_with_1(account: Account) -> None:
    account.stage_.answer(Answer.REJECT)
    result = run("send", "to=email:ben", "words.text=hello", "--json")
    assert (result.exit_code, json.loads(result.stdout)["deliveries"][0]["state"]) == (1, "failed")


def test_monitor_is_checked_and_deferred_messages_are_sent(account: Account) -> None:
    with FaultyServer() as server:
        account.stage_ = memory_stage(some_settings(MONITOR.format(url=server.url)))
        lines = run("watch_now", "monitor=shop").stdout.splitlines()
    assert lines[1].startswith("shop\tok\treturned 200")
    assert lines[2] == "Sent no messages."
    assert run("digest_now", "who=asha").stdout == "nothing is deferred for asha\n"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nothing"], "unknown task 'nothing'; use one of: digest_now, send, watch_now"),
        (["sned"], "did you mean 'send'?"),
        (["send"], "missing field 'to'"),
        (["send", "to"], "'to' is not KEY=VALUE"),
        (["send", "=ben"], "'=ben' is not KEY=VALUE"),
        (["send", "to=ben", "words.=x"], "'words.=x' is not KEY=VALUE"),
        (["send", "to=ben", "words=x", "words.title=y"], "'words' is given twice"),
        (["send", "to=ben", "id=1", "id=2"], "'id' is given twice"),
        (["send", "to=ben", "urgent=perhaps"], "Expected bool"),
        (["send", "to=ben", "urgnt=yes"], "unknown field urgnt"),
        (["send", "to=ben", f"words.text={'x' * 2001}"], "length <= 2000"),
        (["digest_now"], "missing field 'who'"),
    ],
)
def test_invalid_input_is_an_error_before_anything_is_invoked(account: Account, arguments: list[str], error: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, error in result.output, account.invoked) == (2, True, [])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["send", "to=bne"], "did you mean 'ben'?"),
        (["watch_now", "monitor=x"], "unknown monitor 'x'"),
        (["digest_now", "who=ash"], "did you mean 'asha'?"),
    ],
)
def test_refused_task_exits_with_1(account: Account, arguments: list[str], error: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, error in result.stderr, result.stderr.count("\n")) == (1, True, 1)
    assert json.loads(run(*arguments, "--json").stdout)["error"]


@pytest.mark.parametrize(
    ("failure", "reason"), [({"errorMessage": "Task timed out after 60.00 seconds"}, "timed out"), (None, ""), ("odd", "odd")]
)
def test_failed_function_is_one_sentence(account: Account, failure: Any, reason: str) -> None:
    account.failure = failure if failure is not None else {}
    result = run("watch_now")
    assert (result.exit_code, reason in result.stderr, "see the function's log" in result.stderr) == (1, True, True)
