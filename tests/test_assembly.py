"""The bot put together: what is made once, and what must not be kept."""

from datetime import timedelta

import pytest
from flask import Flask

from chalicelib.assembly import make_bot
from chalicelib.domain.delivery import DeliveryError
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel
from chalicelib.platform.secrets import CACHE_TIME
from tests.support.builders import ENVIRON, NOON, some_settings
from tests.support.serving import serving
from workbench.local.ministack import MiniStack
from workbench.local.twilio.double import TwilioDouble

SECRET = "/dropnote/prod/twilio-auth-token"
TEXT = Message(Channel.SMS, "hello")


def test_text_goes_out_with_the_token_of_today(ministack: MiniStack) -> None:
    settings, now = some_settings(), [NOON]
    ssm = ministack.client("ssm")
    ssm.put_parameter(Name=SECRET, Value="old", Type="SecureString")
    assert settings.sms is not None
    twilio, desk = TwilioDouble(settings.sms.account, "new", numbers=[settings.sms.from_]), Flask("desk")
    desk.register_blueprint(twilio.blueprint)
    with serving(desk) as url:
        environ = {**ENVIRON, "DROPNOTE_SECRETS": "/dropnote/prod/", "TWILIO_BASE_URL": url}
        bot = make_bot(settings, environ, lambda service, config=None: ministack.client(service), lambda: now[0])
        with pytest.raises(DeliveryError, match="20003"):
            bot.deliverer.connected(Channel.SMS).send(TEXT, to="+919812345678", delivery_id="0")
        ssm.put_parameter(Name=SECRET, Value="new", Type="SecureString", Overwrite=True)
        now[0] += CACHE_TIME + timedelta(seconds=1)
        assert bot.deliverer.connected(Channel.SMS).send(TEXT, to="+919812345678", delivery_id="0").id


def test_mails_share_a_connection(ministack: MiniStack) -> None:
    bot = make_bot(some_settings(), ENVIRON, lambda service, config=None: ministack.client(service))
    assert bot.deliverer.connected(Channel.EMAIL) is bot.deliverer.connected(Channel.EMAIL)


def test_bot_whose_secrets_are_missing_is_made_ready_all_the_same(ministack: MiniStack) -> None:
    make_bot(some_settings(), ENVIRON, lambda service, config=None: ministack.client(service)).prepare()
