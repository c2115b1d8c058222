"""`dropnote confirm`: a code goes to an address, and the right one, typed in time, is remembered. On a real table."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.domain.delivery import DeliveryError, Reason, Receipt
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel, Person, Recipient
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from tests.support.builders import NOON, some_settings
from workbench.cli.main import main
from workbench.confirm.codes import LIFETIME, MAX_ATTEMPTS, Answer, Confirmation, check, hash_of, issue, new_code
from workbench.confirm.send import Confirmer, ConfirmError, code_message, unconfirmed
from workbench.confirm.store import Confirmations
from workbench.doctor import addresses
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack
from workbench.paths import PROJECT
from workbench.reports import people

TABLE = "dropnote-prod-ledger"
BOT_WITHOUT_CONTROLS = SimpleNamespace(
    deliverer=SimpleNamespace(control=SimpleNamespace(now=lambda: SimpleNamespace(suppressed={})))
)
ASHA = Recipient(Channel.SMS, Person("asha", sms="+919812345678"))


@dataclass
class Desk:
    """A stage's table, a provider that keeps what it sends, and a clock."""

    client: Any
    settings: Settings = field(default_factory=some_settings)
    now: datetime = NOON
    sent: list[tuple[str, Message]] = field(default_factory=list)
    error: Exception | None = None
    codes: list[str] = field(default_factory=lambda: ["123456", "000042", "777777", "888888"])

    @property
    def rows(self) -> Confirmations:
        return Confirmations(self.client("dynamodb"), TABLE)

    @property
    def variables(self) -> dict[str, str]:
        return {"DROPNOTE_LEDGER": TABLE}

    def confirmer(self) -> Confirmer:
        return Confirmer(self.settings, self.rows, lambda channel: self, lambda: self.now, lambda: self.codes.pop(0))

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        if self.error:
            raise self.error
        self.sent.append((to, message))
        return Receipt("1")

    def item(self, recipient: Recipient = ASHA) -> str:
        """Everything that the table has, as text."""
        return json.dumps(self.client("dynamodb").scan(TableName=TABLE)["Items"])


@pytest.fixture
def desk(ministack: MiniStack) -> Desk:
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    return Desk(ministack.client)


def test_right_code_confirms_the_address(desk: Desk) -> None:
    confirmer = desk.confirmer()
    confirmer.send(ASHA)
    ((to, message),) = desk.sent
    assert to == "+919812345678"
    assert message.text == "123456 is your code to receive alerts of acme-drops. It is valid for 10 minutes."
    assert confirmer.answer(ASHA, " 123 456\n")[0] is Answer.CONFIRMED
    assert desk.rows.get(Channel.SMS, ASHA.address) == Confirmation(confirmed_at=NOON)
    assert confirmer.answer(ASHA, "123456")[0] is Answer.EXPIRED  # it works once


def test_neither_code_nor_address_is_stored(desk: Desk) -> None:
    desk.confirmer().send(ASHA)
    stored = desk.item()
    assert "confirmation#" in stored
    assert "123456" not in stored
    assert "9812345678" not in stored


def test_attempts_are_limited_even_for_the_right_code(desk: Desk) -> None:
    confirmer = desk.confirmer()
    confirmer.send(ASHA)
    assert [confirmer.answer(ASHA, f"99999{n}")[0] for n in range(MAX_ATTEMPTS)] == [Answer.WRONG] * MAX_ATTEMPTS
    assert confirmer.answer(ASHA, "123456")[0] is Answer.USED_UP
    desk.now += timedelta(minutes=1)
    confirmer.send(ASHA)
    assert confirmer.answer(ASHA, "000042")[0] is Answer.CONFIRMED


def test_code_expires_and_a_new_one_replaces_it(desk: Desk) -> None:
    confirmer = desk.confirmer()
    confirmer.send(ASHA)
    desk.now += LIFETIME
    assert confirmer.answer(ASHA, "123456")[0] is Answer.EXPIRED
    confirmer.send(ASHA)
    assert confirmer.answer(ASHA, "123456")[0] is Answer.WRONG
    assert confirmer.answer(ASHA, "000042")[0] is Answer.CONFIRMED


def test_nobody_gets_two_codes_within_a_minute(desk: Desk) -> None:
    confirmer = desk.confirmer()
    confirmer.send(ASHA)
    with pytest.raises(ConfirmError, match="a code was sent to sms:asha less than 60 seconds ago"):
        confirmer.send(ASHA)
    assert len(desk.sent) == 1


def test_answer_before_any_code_is_expired(desk: Desk) -> None:
    assert desk.confirmer().answer(ASHA, "123456")[0] is Answer.EXPIRED
    desk.confirmer().send(ASHA)
    assert len(desk.sent) == 1


def test_changed_number_is_unconfirmed(desk: Desk) -> None:
    confirmer = desk.confirmer()
    confirmer.send(ASHA)
    confirmer.answer(ASHA, "123456")
    names = [f"{recipient.channel}:{recipient.person.name}" for recipient in unconfirmed(desk.settings, desk.rows)]
    assert names == ["email:asha", "email:ben"]
    moved = some_settings(**{"+919812345678": "+919812345679"})
    assert [recipient.channel for recipient in unconfirmed(moved, desk.rows)].count(Channel.SMS) == 1


def test_codes_are_random_digits_and_their_hashes_salted() -> None:
    codes = {new_code() for _ in range(50)}
    assert len(codes) > 45
    assert all(len(code) == 6 and code.isdigit() for code in codes)
    one, other = (issue("123456", NOON, Confirmation()) for _ in range(2))
    assert one.hash != other.hash
    assert one.hash == hash_of("123456", one.salt)
    assert check(one, "１２３456", NOON) is Answer.WRONG


def test_mail_says_what_to_do_with_an_unexpected_code_and_escapes_the_name() -> None:
    settings = some_settings(**{'"acme-drops"': '"<b>acme</b>"'})
    mail = code_message(settings, Channel.EMAIL, "123456", "local")
    assert "If that is not you, ignore this message" in mail.text
    assert mail.subject == "[local] 123456 is your code for <b>acme</b>"
    assert "&lt;b&gt;acme" in mail.html
    assert "<b>acme" not in mail.html
    assert ">123456</p>" in mail.html
    assert mail.text.startswith("[local] 123456 is your code")
    assert '<p class="label"' in mail.html  # the look of the other mails


@pytest.fixture
def run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command on the desk; its bot is the desk too."""

    class Account:
        settings, variables, client, stage = desk.settings, desk.variables, staticmethod(desk.client), "local"

        class deliverer:  # noqa: N801  the bot's attribute
            @staticmethod
            def transport(channel: Channel) -> Desk:
                return desk

        def bot(self) -> Any:
            return self

    desk.now = utc_now()
    monkeypatch.setattr("workbench.cli.options.find_account", lambda stage: Account())
    monkeypatch.setattr(
        "workbench.cli.first_steps.confirm.Confirmer",
        lambda settings, rows, transport, clock, stage: Confirmer(settings, rows, transport, clock, lambda: desk.codes.pop(0)),
    )
    return lambda *arguments, **options: CliRunner().invoke(main, ["confirm", *arguments], **options)


def test_code_is_asked_for_on_a_terminal(desk: Desk, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.cli.first_steps.confirm._is_terminal", lambda: True)
    result = run("asha", input="000000\n123456\n000042\n")
    assert result.exit_code == 0, result.output
    assert "Code that arrived at email:asha (a…@example.com)" in result.output
    assert "Wrong code; 4 attempts left." in result.output
    assert "sms:asha (+91…78) is confirmed." in result.output
    assert "9812345678" not in result.output
    assert [to for to, _ in desk.sent] == ["asha@example.com", "+919812345678"]
    again = run("asha")
    assert (again.exit_code, len(desk.sent)) == (0, 2)
    assert "sms:asha (+91…78) is confirmed since" in again.output


def test_script_sends_first_and_passes_the_code_later(desk: Desk, run: Callable[..., Result]) -> None:
    first = run("sms:asha")
    assert first.exit_code == 1
    assert "Within 10 minutes: dropnote confirm sms:asha --code CODE" in first.output
    wrong = run("sms:asha", "--code", "111111", "--json")
    assert (wrong.exit_code, json.loads(wrong.stdout)[0]["state"]) == (1, "wrong code")
    assert run("sms:asha", "--code", "123456").exit_code == 0


def test_last_wrong_code_says_how_to_get_another(desk: Desk, run: Callable[..., Result]) -> None:
    run("sms:asha")
    outputs = [run("sms:asha", "--code", "111111").output for _ in range(MAX_ATTEMPTS)]
    assert "Wrong code; 1 attempt left." in outputs[-2]
    assert "too many wrong codes; run dropnote confirm sms:asha again for a new code." in outputs[-1]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["ahsa"], "to: unknown person or group 'ahsa'; did you mean 'asha'?"),
        (["fax:asha"], "to: unknown channel 'fax'"),
        (["asha", "--code", "123456"], "'asha' has several addresses; name one, for example sms:asha"),
        (["sms:ben"], "to: 'sms:ben' cannot be reached"),
    ],
)
def test_mistake_is_one_sentence(run: Callable[..., Result], arguments: list[str], error: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, error in result.output, "Traceback" in result.output) == (1, True, False), result.output


def test_refusal_of_the_provider_is_reported(desk: Desk, run: Callable[..., Result]) -> None:
    desk.error = DeliveryError(Reason.BLOCKED, "[sms] countries does not allow IN", permanent=True)
    result = run("sms:asha")
    assert result.exit_code == 1
    assert "the code could not be sent: blocked: [sms] countries does not allow IN" in result.output


def test_people_and_the_doctor_show_who_is_unconfirmed(
    desk: Desk, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    account: Any = desk
    assert (
        addresses.count(account) == "not confirmed: email:asha, sms:asha, email:ben; to confirm one: dropnote confirm email:asha"
    )
    assert list(addresses.none(account)) == []
    run("sms:asha")
    run("sms:asha", "--code", "123456")
    monkeypatch.setattr(Desk, "bot", lambda self: BOT_WITHOUT_CONTROLS, raising=False)
    rows = {(row["person"], row["channel"]): row["confirmed"] for row in people.addresses(account)}
    assert rows == {("asha", "email"): "no", ("asha", "sms"): "yes", ("ben", "email"): "no"}


WHATSAPP = """
[whatsapp]
account = "AC0"
from = "+447700900999"
[webhooks.ops]
format = "slack"
"""


@pytest.mark.parametrize(("number", "word"), [("+919812345678", "yes"), ("+447700900001", "not possible")])
def test_whatsapp_number_is_confirmed_by_a_text_to_the_same_number_only(
    desk: Desk, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, number: str, word: str
) -> None:
    account: Any = desk
    desk.settings = some_settings(WHATSAPP, **{'sms = "+919812345678"': f'sms = "+919812345678"\nwhatsapp = "{number}"'})
    desk.confirmer().send(ASHA)
    desk.confirmer().answer(ASHA, "123456")
    monkeypatch.setattr(Desk, "bot", lambda self: BOT_WITHOUT_CONTROLS, raising=False)
    rows = {(row["person"], row["channel"]): row["confirmed"] for row in people.addresses(account)}
    assert (rows["asha", "whatsapp"], rows["ops", "webhook"]) == (word, "not possible")


@pytest.mark.parametrize(
    ("target", "number", "error"),
    [
        ("whatsapp:asha", "+919812345678", "dropnote confirm sms:asha confirms it"),
        (
            "whatsapp:asha",
            "+447700900001",
            "WhatsApp allows codes only in authentication templates. To see that it works: dropnote test asha;",
        ),
        ("webhook:ops", "+447700900001", "webhook:ops is confirmed by no code: to see that it works, dropnote test ops"),
    ],
)
def test_address_without_codes_is_refused_with_the_reason(desk: Desk, target: str, number: str, error: str) -> None:
    desk.settings = some_settings(WHATSAPP, **{'sms = "+919812345678"': f'sms = "+919812345678"\nwhatsapp = "{number}"'})
    with pytest.raises(ConfirmError) as refused:
        desk.confirmer().recipients(target)
    assert error in str(refused.value)
    assert number not in str(refused.value)
