"""`dropnote confirm` through the real transports: SES of the emulator, and Twilio's own package against its double."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from tests.support.builders import ENVIRON, some_settings
from tests.support.serving import serving
from workbench.account import Account
from workbench.cli.main import main
from workbench.local.mailbox import Mailbox
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack
from workbench.local.twilio.double import TwilioDouble
from workbench.paths import PROJECT


@pytest.fixture
def double() -> TwilioDouble:
    return TwilioDouble(ENVIRON["TWILIO_ACCOUNT_SID"], "secret-token")


@pytest.fixture
def account(ministack: MiniStack, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    ministack.client("sesv2").create_email_identity(EmailIdentity="example.com")
    ministack.client("ssm").put_parameter(Name="/dropnote/twilio-auth-token", Value="secret-token", Type="SecureString")
    app = Flask("twilio")
    app.register_blueprint(double.blueprint)
    with serving(app) as url:
        variables = {**ENVIRON, "TWILIO_BASE_URL": url}
        account = Account("prod", some_settings(), variables, lambda service, **_: ministack.client(service), Path("none"))
        monkeypatch.setattr("workbench.cli.options.find_account", lambda stage: account)
        yield account


def test_code_that_arrived_confirms(account: Account, double: TwilioDouble, ministack: MiniStack) -> None:
    assert CliRunner().invoke(main, ["confirm", "asha"]).exit_code == 1  # sent; without a terminal nobody is asked
    (text,) = double.messages()
    (mail,) = Mailbox(ministack.endpoint).read().mails
    assert (text.to, mail.to) == ("+919812345678", ("asha@example.com",))
    for channel, body in (("sms", text.body), ("email", mail.text)):
        code = re.match(r"\d{6}", body)
        assert code
        result = CliRunner().invoke(main, ["confirm", f"{channel}:asha", "--code", code[0]])
        assert result.exit_code == 0, result.output
