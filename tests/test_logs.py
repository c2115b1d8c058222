"""The log: lines can be followed by event, rule and delivery, and none has an address. conftest.py scans the whole run."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.domain.delivery import Delivery
from chalicelib.platform import log
from tests.support.builders import an_upload, some_settings
from tests.support.log_scan import LogLines, LogScan, function_lines
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage
from workbench.local.ministack import MiniStack

BUNDLED = some_settings(**{'then = "off"': 'then = "10m"\nfirst = 1'})


@pytest.fixture
def stage() -> Stage:
    return memory_stage()


# -- ids


def ids(line: dict[str, Any]) -> tuple[str, ...]:
    return tuple(line[name] for name in ("event", "rule", "delivery"))


def test_every_outcome_can_be_followed_by_event_rule_and_delivery(stage: Stage, logged: LogLines) -> None:
    event = an_upload()
    stage.mail.answers.append(Answer.REJECT)
    deliveries = stage.take(event)
    expected = {(event.identity, "uploads", delivery.id) for delivery in deliveries if delivery.event == event}
    assert {ids(line) for line in logged.of("sent") + logged.of("failed") if line["rule"] == "uploads"} == expected
    assert len(expected) == 2
    stage.take(event)
    assert {ids(line) for line in logged.of("duplicate")} == expected


def test_error_has_the_ids_of_what_it_interrupted(stage: Stage, logged: LogLines, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any) -> Delivery:
        raise EndpointConnectionError(endpoint_url="http://x")

    monkeypatch.setattr(stage.ledger, "insert", unreachable)
    event = an_upload()
    with pytest.raises(ExceptionGroup):
        stage.take(event)
    failures = [line for line in logged.of("failed") if "error" in line]
    assert [(line["event"], line["rule"]) for line in failures] == [(event.identity, "uploads")] * 2


def test_upload_that_joins_a_bundle_leaves_a_line(logged: LogLines) -> None:
    stage = memory_stage()
    stage.settings = BUNDLED
    _, stage.bot = stage.container()
    first, second = an_upload("a"), an_upload("b")
    stage.take(first)
    stage.take(second)
    (joined,) = logged.of("joined")
    assert (joined["event"], joined["rule"]) == (second.identity, "uploads")
    assert len(joined["bundle"]) == 32


def test_lines_go_to_standard_output_once(capsys: pytest.CaptureFixture[str]) -> None:
    log.info("sent", person="asha")
    log.configure()
    log.configure()
    log.warning("failed", detail="no connection", channel=None)
    assert capsys.readouterr().out == '{"level": "warning", "happened": "failed", "detail": "no connection"}\n'


# -- no addresses


@pytest.mark.parametrize("address", ["asha@example.com", "<o.hara+x@sub.example.co.uk>", "+919812345678", "919812345678"])
def test_address_in_a_line_is_found(log_scan: LogScan, address: str) -> None:
    log.info("sent", to=address)
    log.info("sent", to="asha")
    (line,) = log_scan.take()  # otherwise this test would fail
    assert address in line


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-03-02T12:00:00.000",
        "000000000000000000021",
        "2026-03-02T12:00:00+00:00",
        "a1b2c3d4e5f60718293a4b5c6d7e8f90",
        "@here",
        "f3b26114-ff04-41b6-a724-33e309176f95@email.amazonses.com",
    ],
)
def test_other_digits_are_not_taken_for_a_number(log_scan: LogScan, text: str) -> None:
    log.info("sent", detail=text)
    assert log_scan.take() == []


def write_event(ministack: MiniStack, group: str, message: str) -> None:
    logs = ministack.client("logs")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": 1772452800000, "message": message}])


def test_lines_of_functions_are_read(ministack: MiniStack) -> None:
    write_event(ministack, "/aws/lambda/dropnote-dev-sweep", "to ben@example.com")
    write_event(ministack, "/aws/codebuild/other", "to asha@example.com")
    assert function_lines(ministack) == ["to ben@example.com"]
    ministack.reset()
