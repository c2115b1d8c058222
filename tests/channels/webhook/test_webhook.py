"""Webhooks over real HTTP, against doubles that check payloads as the services' documentation says."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.channels.webhook.connection import TIMEOUT_S, Response
from chalicelib.channels.webhook.webhook import NOT_FOUND, Webhook
from chalicelib.domain.delivery import DeliveryError, OutcomeUnknown, Reason
from chalicelib.domain.event import Event, Kind
from chalicelib.platform.secrets import MissingSecret, SecretsUnavailable
from tests.channels.parts import ID, meaning_of
from tests.channels.webhook.parts import SECRETS, SERVICES, WEBHOOKS, Sending, render
from workbench.local.webhooks.answer import Answer
from workbench.local.webhooks.discord import rate_limited
from workbench.local.webhooks.double import WebhookDouble
from workbench.samples.uploads import sample_events


def _template(sample: str, event: Event) -> str:
    """The shipped template for a sample event."""
    return event.kind.value if event.kind not in (Kind.TROUBLE, Kind.TEST) else "test" if sample == "test" else "plain"


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_accepts_every_sample_of_every_template(sending: Sending, double: WebhookDouble, service: str) -> None:
    for sample, event in sample_events().items():
        for template in {"plain", _template(sample, event)}:
            Webhook(WEBHOOKS, sending.secrets.__getitem__, sending.url).send(
                render(event, template), to=service, delivery_id=f"{sample} {template}"
            )
    assert len(double.posts()) == len(double.requests()) >= 2 * len(sample_events()) - 8


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (Answer(404, "no_service"), (Reason.BAD_ADDRESS, True, False)),
        (Answer(410, "channel_is_archived"), (Reason.BAD_ADDRESS, True, False)),
        (Answer(403, "action_prohibited"), (Reason.AUTH, True, False)),
        (Answer(401), (Reason.AUTH, True, False)),
        (Answer(400, "invalid_payload"), (Reason.REFUSED, True, False)),
        (Answer(413), (Reason.REFUSED, True, False)),
        (Answer(302, "", {"Location": "https://hooks.example.com/"}), (Reason.REFUSED, True, False)),
        (Answer(408), (Reason.UNREACHABLE, False, False)),
        (Answer(429), (Reason.RATE, False, False)),
        (Answer(500, "rollup_error"), (Reason.PROVIDER, False, True)),
        (Answer(503), (Reason.PROVIDER, False, True)),
        (Answer(404, "channel_not_found"), (Reason.BAD_ADDRESS, True, False)),
        (Answer(400, "msg_blocks_too_long"), (Reason.REFUSED, True, False)),
    ],
)
def test_each_response_has_a_meaning_and_is_requested_once(
    sending: Sending, double: WebhookDouble, answer: Answer, meaning: tuple[Reason, bool, bool]
) -> None:
    double.fail_next(answer)
    assert meaning_of(sending.refusal("slack")) == meaning
    assert (len(double.requests()), double.posts()) == (1, [])


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (Answer(429, "", {"Retry-After": "30"}), timedelta(seconds=30)),
        (Answer(429, "", {"Retry-After": "soon"}), None),
        (rate_limited(0.65), timedelta(seconds=1)),  # the header has whole seconds
        (rate_limited(64.57, is_global=True), timedelta(seconds=65)),
        (Answer(429, {"retry_after": 1.5}), timedelta(seconds=1.5)),
        (Answer(429), None),
    ],
)
def test_throttled_webhook_says_how_long_to_wait(
    sending: Sending, double: WebhookDouble, answer: Answer, wait: timedelta | None
) -> None:
    double.fail_next(answer)
    assert sending.refusal("discord").retry_after == wait


@pytest.mark.parametrize(
    ("service", "status", "meaning"),
    [
        ("json", 404, (Reason.REFUSED, True, False)),  # by Standard Webhooks only 410 ends an endpoint
        ("json", 410, (Reason.BAD_ADDRESS, True, False)),
        ("discord", 404, (Reason.BAD_ADDRESS, True, False)),
        ("teams", 404, (Reason.BAD_ADDRESS, True, False)),
    ],
)
def test_only_410_ends_an_endpoint_of_our_own_format(
    sending: Sending, double: WebhookDouble, service: str, status: int, meaning: tuple[Reason, bool, bool]
) -> None:
    double.fail_next(Answer(status))
    error = sending.refusal(service)
    assert meaning_of(error) == meaning
    assert error.grace == (NOT_FOUND if (service, status) == ("json", 404) else timedelta(0))


def test_receiver_that_is_overloaded_says_when_to_try_again(sending: Sending, double: WebhookDouble) -> None:
    double.fail_next(Answer(503, "", {"Retry-After": "900"}))
    error = sending.refusal("json")
    assert isinstance(error, OutcomeUnknown)
    assert error.retry_after == timedelta(minutes=15)


def test_receiver_recognizes_a_message_that_is_sent_again_after_a_lost_response(sending: Sending, double: WebhookDouble) -> None:
    double.fail_next(Answer(503), accepted=True)
    assert isinstance(sending.refusal("json"), OutcomeUnknown)
    sending.send("json")
    assert (len(double.requests()), len(double.posts())) == (2, 1)
    assert {call.headers["Webhook-Id"] for call in double.requests()} == {ID}


def test_receipt_is_the_id_of_the_service_or_of_the_delivery(sending: Sending) -> None:
    assert sending.send("discord").id == "1184500000000000000"
    assert sending.send("slack").id == ID


def test_unknown_discord_webhook_does_not_exist_any_more(sending: Sending) -> None:
    sending.secrets["webhook-discord"] = "https://discord.com/api/webhooks/1/x"
    assert meaning_of(sending.refusal("discord")) == (Reason.BAD_ADDRESS, True, False)


def test_forum_channel_of_discord_gets_a_thread_per_message(sending: Sending, double: WebhookDouble) -> None:
    sending.send("forum")
    assert double.posts()[0].message["thread_name"] == "report.pdf arrived (1.2 KB)"
    sending.secrets["webhook-discord"] = SECRETS["webhook-forum"]
    assert meaning_of(sending.refusal("discord")) == (Reason.REFUSED, True, False)


@pytest.mark.parametrize("webhook", ["discord", "forum"])
def test_thread_in_the_url_of_discord_is_kept(sending: Sending, double: WebhookDouble, webhook: str) -> None:
    sending.secrets[f"webhook-{webhook}"] += "?thread_id=42"
    sending.send(webhook)
    assert double.requests()[0].query == {"thread_id": "42", "wait": "true"}


def test_message_joins_the_thread_whose_id_the_first_one_brought(sending: Sending, double: WebhookDouble) -> None:
    thread = sending.send("forum").id
    assert sending.send("forum", replace(render(), reply_to=thread)).id == thread
    assert [call.query.get("thread_id") for call in double.requests()] == [None, thread]
    assert "thread_name" not in double.posts()[0].message


def test_message_starts_a_thread_if_the_one_it_should_join_was_deleted(sending: Sending, double: WebhookDouble) -> None:
    sending.send("forum", replace(render(), reply_to="1184500000000000009"))
    assert len(double.requests()) == 2
    assert double.posts()[0].message["thread_name"] == "report.pdf arrived (1.2 KB)"
    sending.secrets["webhook-forum"] = "https://discord.com/api/webhooks/1/x"
    assert meaning_of(sending.refusal("forum", replace(render(), reply_to="42"))) == (Reason.BAD_ADDRESS, True, False)


def test_two_attempts_take_no_longer_than_one(sending: Sending) -> None:
    times: list[float] = []

    def post(*_: object, timeout_s: float, **__: object) -> Response:
        times.append(timeout_s)
        return Response(404 if len(times) == 1 else 200, b"{}")

    sending.send("forum", replace(render(), reply_to="42"), poster=post)
    assert (len(times), sum(times)) == (2, TIMEOUT_S)


def test_throttled_reply_is_not_sent_again_as_a_new_thread(sending: Sending, double: WebhookDouble) -> None:
    double.fail_next(rate_limited(2))
    assert sending.refusal("forum", replace(render(), reply_to="42")).reason is Reason.RATE
    assert len(double.requests()) == 1


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("slack", "hooks.slack.com/services/T0/B0/localonly"),
        ("slack", "http://hooks.slack.com/services/T0/B0/localonly"),
        ("slack", "https://[::1/localonly"),
        ("slack", "https://hooks.slack.com/a b localonly"),
        ("teams", "https://acme.webhook.office.com/webhookb2/localonly"),
        ("teams", "https://outlook.office.com/webhook/localonly"),
    ],
)
def test_url_that_cannot_be_called_is_an_error_without_the_url(
    sending: Sending, double: WebhookDouble, service: str, url: str
) -> None:
    sending.secrets[f"webhook-{service}"] = url
    assert meaning_of(sending.refusal(service)) == (Reason.ACCOUNT, True, False)
    assert double.requests() == []


@pytest.mark.parametrize(
    ("error", "meaning"),
    [(MissingSecret("x"), (Reason.AUTH, False, False)), (SecretsUnavailable("x"), (Reason.UNREACHABLE, False, False))],
)
def test_secret_that_cannot_be_read_is_tried_again(error: Exception, meaning: tuple[Reason, bool, bool]) -> None:
    def read(name: str) -> str:
        raise error

    with pytest.raises(DeliveryError) as caught:
        Webhook(WEBHOOKS, read).send(render(), to="slack", delivery_id=ID)
    assert meaning_of(caught.value) == meaning


@pytest.mark.parametrize("key", [" ", "secret", "whsec_c2hvcnQ=", "whsec_!"])
def test_invalid_signing_key_is_an_error_without_the_key(sending: Sending, key: str) -> None:
    sending.secrets["webhook-json-key"] = key
    assert meaning_of(sending.refusal("json")) == (Reason.ACCOUNT, True, False)


def test_receiver_may_rotate_its_key(sending: Sending, double: WebhookDouble) -> None:
    sending.secrets["webhook-json-key"] = f"whsec_{'A' * 32} {SECRETS['webhook-json-key']}"
    sending.send("json")
    assert len(double.requests()[0].headers["Webhook-Signature"].split()) == 2
    sending.secrets["webhook-json-key"] = f"whsec_{'A' * 32}"
    assert meaning_of(sending.refusal("json")) == (Reason.AUTH, True, False)
