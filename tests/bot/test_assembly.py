"""Building the bot: what is created once, and what must not be cached."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from chalicelib.bot.assembly import load_settings_or_exit, make_bot
from chalicelib.domain.delivery import DeliveryError, Reason
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel
from chalicelib.platform.secrets import CACHE_TIME, PAUSE
from tests.support.builders import ENVIRON, NOON, some_settings
from tests.support.serving import serving
from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer
from workbench.local.resources import put_secrets
from workbench.local.twilio.double import TwilioDouble

SECRET = "/dropnote/prod/twilio-auth-token"
TEXT = Message(Channel.SMS, "hello")


def test_rotated_token_is_used(ministack: MiniStack) -> None:
    settings, now = some_settings(), [NOON]
    ssm = ministack.client("ssm")
    ssm.put_parameter(Name=SECRET, Value="old", Type="SecureString")
    assert settings.sms is not None
    twilio, server = TwilioDouble(settings.sms.account, "new", numbers=[settings.sms.from_]), Flask("twilio")
    server.register_blueprint(twilio.blueprint)
    with serving(server) as url:
        environ = {**ENVIRON, "DROPNOTE_SECRETS": "/dropnote/prod/", "TWILIO_BASE_URL": url}
        bot = make_bot(settings, environ, lambda service, config=None: ministack.client(service), lambda: now[0])
        with pytest.raises(DeliveryError, match="20003"):
            bot.deliverer.open_transport(Channel.SMS).send(TEXT, to="+919812345678", delivery_id="0")
        ssm.put_parameter(Name=SECRET, Value="new", Type="SecureString", Overwrite=True)
        now[0] += CACHE_TIME + timedelta(seconds=1)
        assert bot.deliverer.open_transport(Channel.SMS).send(TEXT, to="+919812345678", delivery_id="0").id


def test_mails_share_a_transport(ministack: MiniStack) -> None:
    bot = make_bot(some_settings(), ENVIRON, lambda service, config=None: ministack.client(service))
    assert bot.deliverer.open_transport(Channel.EMAIL) is bot.deliverer.open_transport(Channel.EMAIL)


def test_invalid_settings_exit_with_every_error_and_the_command_that_shows_lines() -> None:
    with pytest.raises(SystemExit) as exit_:
        load_settings_or_exit({**ENVIRON, "UPLOAD_BUCKET": "Acme_Drops"}, monitors=False)
    first, *errors = str(exit_.value).split("\n")
    assert first == "chalicelib/dropnote.toml has errors (dropnote check shows their lines):"
    assert errors[0].startswith("[[rules]] 'uploads', bucket: invalid bucket name 'Acme_Drops'; use ")
    assert len(errors) == 2


def test_bot_without_secrets_can_be_prepared(ministack: MiniStack) -> None:
    make_bot(some_settings(), ENVIRON, lambda service, config=None: ministack.client(service)).prepare()


def test_throttled_parameter_store_makes_texts_wait_and_is_asked_once(ministack: MiniStack) -> None:
    """A thousand containers may start in the second in which Parameter Store answers forty."""
    variables = {**ENVIRON, "DROPNOTE_SECRETS": "/dropnote/prod/"}
    put_secrets(ministack, "/dropnote/prod/", {"twilio-auth-token": "token", "public-url": "https://example.com"})
    now = NOON
    with Proxy(ministack.endpoint) as proxy:
        proxy.fail_next(Answer(400, b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'))

        def clients(service: str, config: Any = None) -> Any:
            return local_client(proxy.url, service) if service == "ssm" else ministack.client(service)

        bot = make_bot(some_settings(), variables, clients, lambda: now)
        bot.prepare()
        for _ in range(3):
            with pytest.raises(DeliveryError) as caught:
                bot.deliverer.open_transport(Channel.SMS)
            assert (caught.value.reason, caught.value.permanent) == (Reason.UNREACHABLE, False)
        now += 2 * PAUSE
        bot.deliverer.open_transport(Channel.SMS)
        assert proxy.operations() == ["GetParameters"] * 2
