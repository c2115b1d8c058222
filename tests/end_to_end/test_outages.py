"""Outages: messages delayed by an outage are sent once it ends, and only once."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from bench.units import reported_units
from chalicelib.channels.ses import Ses
from chalicelib.domain.delivery import Delivery, DeliveryError, Reason, State
from chalicelib.domain.event import Batch
from chalicelib.domain.people import Channel
from chalicelib.store.bundles import Bundles
from chalicelib.store.control import TableStore
from chalicelib.store.ledger import LEDGER_CONFIG, Ledger
from tests.support.builders import an_upload, some_settings
from tests.support.stages import TABLE, Stage, memory_stage, plenty
from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer, Fault
from workbench.local.resources import apply_stack
from workbench.paths import PROJECT

MINUTES = 60
UPLOADS = 80
ACCESS_DENIED = b'{"__type": "AccessDeniedException"}'  # botocore does not retry it, so the test need not wait
TEXTS_ONLY = {'notify = ["email:asha", "sms:asha"]': 'notify = ["sms:asha"]'}


def an_hour_without_twilio(stage: Stage) -> None:
    """Uploads during an hour in which Twilio cannot be reached, and a sweep a minute."""
    randomness = random.Random(1)  # for the times of the uploads and the delays of the retries
    stage.deliverer.chance = randomness.random
    send = stage.text.send

    def unreachable(*_: object, **__: object) -> Any:
        raise DeliveryError(Reason.UNREACHABLE, "Twilio could not be reached")

    stage.text.send = unreachable  # type: ignore[method-assign]
    upload_minutes = sorted(randomness.randrange(MINUTES) for _ in range(UPLOADS))
    for minute in range(MINUTES):
        for number in (number for number, at in enumerate(upload_minutes) if at == minute):
            stage.take(replace(an_upload(f"in/{number}.pdf", sequencer=f"{number:04}"), at=stage.now))
        stage.later(minutes=1)
        stage.sweep()
    stage.text.send = send  # type: ignore[method-assign]


def names(stage: Stage, channel: str, to: str) -> Counter[str]:
    """How often each upload was reported by a channel."""
    texts = [message.subject or message.text for by, address, message in stage.sent if (by, address) == (channel, to)]
    return Counter(text.partition(".pdf")[0].rpartition(" ")[2] for text in texts)


def test_hour_without_twilio_loses_nothing_and_sends_nothing_twice() -> None:
    stage = memory_stage(some_settings(**TEXTS_ONLY))
    an_hour_without_twilio(stage)
    assert stage.text.accepted == []
    stage.sweep_for(hours=3)
    assert names(stage, "sms", "+919812345678") == Counter(str(number) for number in range(UPLOADS))


def test_hour_without_twilio_falls_back_to_mail_if_the_rule_says_so() -> None:
    stage = memory_stage(some_settings(**{next(iter(TEXTS_ONLY)): 'notify = ["sms:asha"]\nfallback = "10m"'}))
    an_hour_without_twilio(stage)
    stage.sweep_for(hours=3)
    by_mail, by_text = names(stage, "email", "asha@example.com"), names(stage, "sms", "+919812345678")
    assert by_mail + by_text == Counter(str(number) for number in range(UPLOADS))
    assert len(by_mail) > UPLOADS / 2
    rows = [row for row in stage.all_rows() if isinstance(row, Delivery) and row.rule == "uploads"]
    fell_back = [row for row in rows if row.reason is Reason.FELL_BACK]
    assert len(fell_back) == len(by_mail)
    assert all(row.steps[-1].at - row.created_at >= timedelta(minutes=10) for row in fell_back)
    assert {row.id for row in rows if row.channel is Channel.SMS} - {row.id for row in fell_back} == {
        text.delivery for text in stage.text.accepted
    }


@pytest.fixture
def proxy(ministack: MiniStack) -> Iterator[Proxy]:
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    with Proxy(ministack.endpoint) as running:
        yield running


@pytest.fixture
def stage(proxy: Proxy) -> Stage:
    """A stage whose ledger is behind the proxy, with the retries of Lambda's client."""
    retries = LEDGER_CONFIG.retries  # type: ignore[attr-defined]
    client = local_client(proxy.url, "dynamodb", read_timeout=1, retries=retries)
    stage = Stage(Ledger(client, TABLE), TableStore(client, TABLE), Bundles(client, TABLE))
    stage.deliverer.control.now()  # cached from here on
    proxy.clear()
    return stage


def test_without_its_ledger_nothing_is_sent_and_the_event_is_redelivered(stage: Stage, proxy: Proxy) -> None:
    proxy.down()
    with pytest.raises(ExceptionGroup):
        stage.take(an_upload())
    assert stage.sent == []
    proxy.up()
    for _ in range(2):
        stage.take(an_upload())
    assert len(stage.sent) == 2


def test_ledger_lost_in_the_middle_of_a_batch_reports_each_upload_once(stage: Stage, proxy: Proxy) -> None:
    """Claimed deliveries are sent, the others are not; the complete batch is redelivered."""
    uploads = [an_upload(f"in/{number}.pdf", sequencer=f"{number:02}") for number in range(3)]
    outage = [True]
    proxy.fail_while(lambda _: bool(outage) and len(proxy.operations()) > 4, Answer(400, ACCESS_DENIED))
    with pytest.raises(ExceptionGroup):
        stage.take(*uploads)
    assert len(stage.sent) < 2 * len(uploads)
    outage.clear()
    for _ in range(2):
        stage.take(*uploads)
    stage.sweep_for(minutes=10)
    deliveries = [row for row in stage.all_rows() if isinstance(row, Delivery)]
    assert [row.state for row in deliveries] == [State.SENT] * 6
    assert len(stage.text.accepted) == 3


NO_BUDGET = {"[people.asha]": "[people.asha]\nbudget = []"}
CLAIMS = {"PutItem": NO_BUDGET, "TransactWriteItems": {}}  # the call that claims a row, without and with budgets


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("operation", ["claim", "UpdateItem"])
@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.HALF, Fault.SILENT, Answer(500, b"{}"), Fault.RESET_BEFORE])
def test_write_whose_response_is_lost_is_repeated_and_counts_once(
    stage: Stage, proxy: Proxy, claim: str, operation: str, fault: Fault | Answer
) -> None:
    stage.settings = some_settings(**CLAIMS[claim])
    stage.deliverer, stage.bot = stage.container()
    stage.deliverer.control.now()
    proxy.clear()
    operation = claim if operation == "claim" else operation
    proxy.fail_next(fault, operation=operation)
    stage.take(an_upload())
    calls = Counter(proxy.operations())
    stage.take(an_upload())
    assert (len(stage.sent), stage.states()) == (2, {"email": "sent", "sms": "sent"})
    assert calls == Counter({claim: 2, "UpdateItem": 2}) + Counter([operation])
    reserved = 0 if claim == "PutItem" else 2
    assert stage.ledger.usage("person asha", stage.now).in_hour == reserved


def test_ledger_lost_between_send_and_mark_sends_no_text_twice(stage: Stage, proxy: Proxy) -> None:
    send = stage.text.send

    def send_and_lose_the_ledger(*arguments: Any, **named: Any) -> Any:
        receipt = send(*arguments, **named)
        proxy.down()
        return receipt

    stage.text.send = send_and_lose_the_ledger  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup):
        stage.take(an_upload())
    proxy.up()
    stage.text.send = send  # type: ignore[method-assign]
    stage.take(an_upload())
    stage.sweep_for(minutes=6)
    assert (len(stage.text.accepted), stage.states()["sms"]) == (1, "sent")


# --- the cost of a delivery


def one_mail() -> dict[str, str]:
    return {'notify = ["email:asha", "sms:asha"]': 'notify = ["email:asha"]'}


@pytest.mark.parametrize("claim", CLAIMS)
def test_calls_of_a_mail_a_redelivery_and_an_upload_without_a_rule(
    stage: Stage, proxy: Proxy, ministack: MiniStack, claim: str
) -> None:
    stage.settings = some_settings(**one_mail(), **CLAIMS[claim])
    stage.deliverer, stage.bot = stage.container()
    ministack.client("sesv2").create_email_identity(EmailIdentity="drops@example.com")
    ses = Ses(local_client(proxy.url, "sesv2"), "drops@example.com")
    stage.deliverer.transport = lambda channel: ses
    stage.take(an_upload("in/warm.pdf"))

    def calls(*keys: str) -> list[str]:
        proxy.clear()
        stage.take(*(an_upload(key) for key in keys))
        return proxy.operations()

    assert calls("in/a.pdf") == [claim, "SendEmail", "UpdateItem"]
    assert calls("in/a.pdf") == [claim]
    assert calls("in/a.pdf.part") == []


@pytest.mark.parametrize(("claim", "claim_units"), [("PutItem", 3), ("TransactWriteItems", 6)])
def test_write_units_of_a_mail(stage: Stage, claim: str, claim_units: int) -> None:
    """A reservation costs three units: two for the person's budget row, and one because the row is written in a transaction."""
    stage.settings = some_settings(**one_mail(), **CLAIMS[claim])
    stage.deliverer, stage.bot = stage.container()
    units = []

    def request_units(params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "INDEXES"

    def record_units(parsed: dict[str, Any], **_: Any) -> None:
        units.append(reported_units(parsed))

    for operation in (claim, "UpdateItem"):
        stage.ledger._client.meta.events.register(f"provide-client-params.dynamodb.{operation}", request_units)
        stage.ledger._client.meta.events.register(f"after-call.dynamodb.{operation}", record_units)
    stage.bot.take(Batch(events=(an_upload("invoices/2026/quarterly report of the finance team.pdf"),)), plenty)
    assert units == [claim_units, 2]
