"""The answers that `dropnote init` asks for: their checks and defaults."""

import getpass
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from chalicelib.platform.fields import values
from chalicelib.platform.fields.table import FieldError

CHANNELS = ("email", "sms")
TRANSPORTS = ("ses", "smtp")
TEST_NUMBER = "+15005550006"  # Twilio's own, for tests (Twilio docs, "Test credentials")
NO_ACCOUNT = "AC" + "0" * 32
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_BOT_NAME = re.compile(r"[^\x00-\x1f]{1,60}")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_ACCOUNT = re.compile(r"AC[0-9a-f]{32}")
_STAGE = re.compile(r"[a-z][a-z0-9]{0,9}")  # as in resources.yaml
_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_NUMBER = re.compile(r"[+(]?\d[^@]*$")  # meant as a phone number, valid or not
_PERSON_FORM = "use for example --person 'asha asha@example.com +919812345678'"


class NewPerson(Struct, frozen=True):
    """A person to write into the settings; an empty address is left out."""

    name: str
    email: str = ""
    sms: str = ""

    def channels(self, wanted: Sequence[str]) -> list[str]:
        """The wanted channels for which the person has an address."""
        return [channel for channel in wanted if getattr(self, channel)]


class Answers(Struct, frozen=True):
    """Everything that the files of a new folder depend on."""

    name: str
    bucket: str
    region: str
    people: tuple[NewPerson, ...]
    channels: tuple[str, ...] = ("email",)
    timezone: str = "UTC"
    stage: str = "dev"
    transport: str = "ses"
    sender: str = ""
    smtp_host: str = ""
    smtp_username: str = ""
    twilio_account: str = NO_ACCOUNT
    twilio_number: str = TEST_NUMBER


def _matching(pattern: re.Pattern[str], text: str, kind: str, hint: str) -> str:
    if not pattern.fullmatch(text):
        raise FieldError(f"invalid {kind} {text!r}", hint)
    return text


def bot_name(text: str) -> str:
    """Check the bot's name, which every message shows."""
    return _matching(_BOT_NAME, text.strip(), "bot name", "use 1 to 60 characters, for example acme-drops")


def region(text: str) -> str:
    """Check a region's name."""
    return _matching(_REGION, text, "region", "use for example eu-west-1")


def stage(text: str) -> str:
    """Check a stage's name."""
    return _matching(_STAGE, text, "stage name", "use up to ten lower-case letters and digits, for example dev")


def person_name(text: str) -> str:
    """Check a person's name as settings and commands use it."""
    return _matching(_NAME, text, "person name", "use lower-case letters, digits, '-' and '_', for example asha")


def smtp_host(text: str) -> str:
    """Check a host name."""
    return _matching(_HOST, text, "SMTP server", "use its name, for example smtp.example.com")


def twilio_account(text: str) -> str:
    """Check an account SID (Twilio docs, "What is a String Identifier (SID)?": AC and 32 hexadecimal digits)."""
    return _matching(
        _ACCOUNT, text, "account SID", "use AC and 32 characters; it is on the first page of https://console.twilio.com/"
    )


def channels(text: str) -> tuple[str, ...]:
    """Read "email", "sms" or "email,sms"; "both" is both."""
    names = CHANNELS if text == "both" else tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if unknown := [name for name in names if name not in CHANNELS]:
        raise FieldError(f"unknown channel {unknown[0]!r}", "use email, sms or both")
    return names


def person(text: str) -> NewPerson:
    """Read "asha asha@example.com +919812345678": a name, then an e-mail address, a phone number, or both."""
    name, *addresses = text.split()[:4] or [""]
    emails = [values.email_address(address) for address in addresses if not _NUMBER.match(address)]
    numbers = [values.phone_number(address) for address in addresses if _NUMBER.match(address)]
    if len(emails) > 1 or len(numbers) > 1 or not addresses:
        raise FieldError("a person needs a name and an e-mail address, a phone number, or both", _PERSON_FORM)
    return NewPerson(person_name(name), "".join(emails), "".join(numbers))


def check(answers: Answers) -> Answers:
    """Check answers against each other.

    Raises:
        FieldError: somebody could not be notified.
    """
    names = [person.name for person in answers.people]
    if twice := [name for name in names if names.count(name) > 1]:
        raise FieldError(f"two people are called {twice[0]!r}", "choose different names")
    for somebody in answers.people:
        if not somebody.channels(answers.channels):
            missing = " or ".join({"email": "e-mail address", "sms": "phone number"}[channel] for channel in answers.channels)
            raise FieldError(f"{somebody.name} has no {missing}", "add it, or choose another channel")
    if "email" in answers.channels and answers.transport == "smtp" and not answers.smtp_host:
        raise FieldError("the SMTP server is missing", "add --smtp-host smtp.example.com")
    return answers


def default_name(folder: Path) -> str:
    """A bot name from the folder's name."""
    plain = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")
    return plain[:40].strip("-") or "dropnote"


def default_bucket(name: str) -> str:
    """A bucket name from the bot's name."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"{plain or 'dropnote'}-uploads"[-63:].strip("-")


def default_region() -> str:
    """The region that the AWS CLI and Chalice would use; us-east-1 if none is set."""
    from botocore.exceptions import BotoCoreError
    from botocore.session import get_session

    try:
        configured = os.environ.get("AWS_REGION") or get_session().get_config_variable("region")
    except BotoCoreError:  # an AWS_PROFILE that does not exist
        configured = None
    return str(configured or "us-east-1")


def default_person() -> NewPerson:
    """The person at the keyboard, with the e-mail address that git knows, otherwise one that receives nothing."""
    user = re.sub(r"[^a-z0-9_-]", "", _user().lower()).lstrip("0123456789_-")[:32] or "owner"
    try:
        command = ["git", "config", "--get", "user.email"]
        address = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
        return NewPerson(user, values.email_address(address))
    except (OSError, subprocess.TimeoutExpired, FieldError):
        return NewPerson(user, f"{user}@example.com")


def default_timezone() -> str:
    """This machine's time zone if it is an IANA name, otherwise UTC."""
    local = Path("/etc/localtime").resolve()
    name = os.environ.get("TZ") or str(local).partition("zoneinfo/")[2]
    try:
        return "UTC" if name == "Etc/UTC" else values.time_zone(name)
    except FieldError:
        return "UTC"


def default_sender(name: str, people: Sequence[NewPerson]) -> str:
    """A sender in the domain of the first person with an e-mail address."""
    domain = next((person.email.rpartition("@")[2] for person in people if person.email), "example.com")
    plain = re.sub(r'[<>",;:()@\\\[\]]', "", name).strip()
    return f"{plain} <alerts@{domain}>" if plain else f"alerts@{domain}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "owner"
