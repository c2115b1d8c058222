"""`dropnote init`: create the user's own folder by a few questions, and let the project use it."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from chalicelib.platform.custom import SETTINGS
from chalicelib.platform.custom import folder as own_folder
from chalicelib.platform.fields import values
from chalicelib.platform.fields.table import FieldError

from ...account import RESTART
from ...custom import answers as checks
from ...custom.answers import Answers, NewPerson
from ...custom.current import current_files
from ...custom.files import new_files, notes
from ...custom.folder import InitError, check_link, check_place, check_settings, link, write_files
from ...local.running import read_running
from ...output import fail, print_json, say
from ...paths import PROJECT
from ..options import JSON_OPTION

T = TypeVar("T")
PORT = click.IntRange(0, 65_535)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", default="", help="The bot's name, shown in messages; default: the folder's name")
@click.option("--bucket", default="", help="The bucket whose uploads notify people")
@click.option("--region", default="", help="The region of the bucket, for example eu-west-1")
@click.option("--stage", default="dev", show_default=True, help="The stage to deploy")
@click.option("--person", "people", multiple=True, metavar="'NAME EMAIL PHONE'", help="Somebody to notify; repeat it for more")
@click.option("--channels", default="", metavar="email|sms|both", help="How to notify them; default: email")
@click.option("--timezone", default="", help="For times in messages; default: this machine's")
@click.option("--email-by", "transport", default="", metavar="ses|smtp", help="How e-mail is sent; default: ses")
@click.option("--from", "sender", default="", metavar="SENDER", help="Sender of e-mails: Acme <alerts@example.com>")
@click.option("--smtp-host", default="", help="SMTP server, with --email-by smtp")
@click.option("--smtp-username", default="", help="User name at the SMTP server")
@click.option("--twilio-account", default="", help="Twilio account SID, for SMS")
@click.option("--twilio-number", default="", help="Sender of SMS: a Twilio number")
@click.option("--from-current", is_flag=True, help="Copy settings and templates that you changed in the project's own files")
@click.option("--switch", is_flag=True, help="Use DIR instead of the folder that the project uses now")
@click.option("--yes", is_flag=True, help="Do not ask anything: use the options and the defaults")
@click.option("--run", "run_", is_flag=True, help="Then start the local environment, as make run does")
@click.option("--port", default=4566, show_default=True, type=PORT, help="With --run: port of the local AWS emulator")
@click.option("--inbox-port", default=4580, show_default=True, type=PORT, help="With --run: port of the inbox page")
@JSON_OPTION
def init(folder: Path, **options: Any) -> None:
    """Create your own folder for settings and templates

    Asks a few questions, writes DIR and lets this project use it instead of the shipped examples. Updates never touch DIR.
    Never overwrites a file: for a DIR that has settings already, it only creates the links.
    """
    target = folder.expanduser().absolute()
    asks = _is_terminal() and not options["yes"] and not options["json_"]
    try:
        check_place(target, PROJECT)
        check_link(target, PROJECT, switch=options["switch"])
        created = _create(target, options, asks)
        link(target, PROJECT)
        check_settings(target, PROJECT)
    except (InitError, OSError) as error:
        fail(str(error))
    except FieldError as error:
        fail(f"{error.problem}{f'; {error.hint}' if error.hint else ''}")
    except click.Abort:
        fail("stopped; nothing was written")
    _report(target, created, options)
    if options["run_"]:
        _run(options["port"], options["inbox_port"])


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _create(target: Path, options: Mapping[str, Any], asks: bool) -> list[str]:
    """Write the files of a new folder; return the names of the created ones."""
    if (target / SETTINGS).exists():
        if options["from_current"]:
            raise InitError(f"{target / SETTINGS} exists already; choose a new folder for --from-current")
        return []
    if options["from_current"]:
        content = {name: content.decode() for name, content in current_files(PROJECT).items()}
        return write_files(target, {**content, **notes(target.name, str(target))})
    return write_files(target, new_files(_answers(target, options, asks), str(target)))


def _answers(target: Path, options: Mapping[str, Any], asks: bool) -> Answers:
    """The answers of the options; the others are asked for, or are the defaults."""

    def value(option: str, question: str, default: str, check: Callable[[str], T]) -> T:
        if options[option] or not asks:
            return _named(option, options[option] or default, check)
        return _ask(question, default, check)

    name = value("name", "Name of the bot, shown in messages", checks.default_name(target), checks.bot_name)
    bucket = value("bucket", "Bucket whose uploads notify people", checks.default_bucket(name), values.bucket)
    region = value("region", "Region of the bucket", checks.default_region(), checks.region)
    channels = value("channels", "Notify people by (email, sms, both)", "email", checks.channels)
    people = _people(options["people"], channels, asks)
    timezone = value("timezone", "Time zone of times in messages", checks.default_timezone(), values.time_zone)
    fields: dict[str, str] = {}
    if "email" in channels:
        fields["transport"] = value("transport", "Send e-mail by (ses, smtp)", "ses", _transport)
        fields["sender"] = value("sender", "Sender of e-mails", checks.default_sender(name, people), values.sender)
        if fields["transport"] == "smtp":
            fields["smtp_host"] = value("smtp_host", "SMTP server", "", _required("--smtp-host", checks.smtp_host))
            fields["smtp_username"] = value("smtp_username", "User name there (empty: none)", "", str)
    if "sms" in channels:
        fields["twilio_account"] = value("twilio_account", "Twilio account SID", checks.NO_ACCOUNT, checks.twilio_account)
        fields["twilio_number"] = value("twilio_number", "Your Twilio number", checks.TEST_NUMBER, values.phone_number)
    stage = checks.stage(options["stage"])
    return checks.check(Answers(name, bucket, region, people, channels, timezone, stage, **fields))


def _people(texts: Sequence[str], channels: Sequence[str], asks: bool) -> tuple[NewPerson, ...]:
    if texts:
        return tuple(_named("person", text, checks.person) for text in texts)
    default = checks.default_person()
    if not asks:
        if "email" not in channels:
            raise FieldError("nobody has a phone number", "add --person 'asha +919812345678'")
        return (default,)
    people: list[NewPerson] = []
    while not people or click.confirm("Notify another person?", default=False):
        shown = default if not people else NewPerson("")
        name = _ask("Name of the person to notify" if not people else "Name", shown.name, checks.person_name)
        email = _ask(f"E-mail address of {name}", shown.email, values.email_address) if "email" in channels else ""
        sms = _ask(f"Phone number of {name}, such as +919812345678", "", values.phone_number) if "sms" in channels else ""
        people.append(NewPerson(name, email, sms))
    return tuple(people)


def _ask(question: str, default: str, check: Callable[[str], T]) -> T:
    """Ask until the answer is valid."""

    def read(text: str) -> T:
        try:
            return check(text.strip())
        except FieldError as error:
            raise click.UsageError(f"{error.problem}; {error.hint}") from None

    answer: T = click.prompt(question, default=default or ("" if check is str else None), value_proc=read)
    return answer


def _named(option: str, text: str, check: Callable[[str], T]) -> T:
    """Check an option's value; an error names the option."""
    try:
        return check(text)
    except FieldError as error:
        raise FieldError(
            f"--{ {'transport': 'email-by', 'sender': 'from'}.get(option, option).replace('_', '-') }: {error.problem}",
            error.hint,
        ) from None


def _transport(text: str) -> str:
    if text not in checks.TRANSPORTS:
        raise FieldError(f"unknown transport {text!r}", "use ses or smtp")
    return text


def _required(option: str, check: Callable[[str], str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text:
            raise FieldError("missing", f"add {option} smtp.example.com")
        return check(text)

    return read


def _report(target: Path, created: Sequence[str], options: Mapping[str, Any]) -> None:
    """Say what was created and what to do next."""
    own = own_folder(PROJECT / "chalicelib").relative_to(PROJECT)
    deploy = f"make deploy STAGE={options['stage']}"
    is_running = read_running() is not None
    if options["json_"]:
        report = {"folder": str(target), "created": created, "used_by": str(own), "next": ["make run", deploy]}
        print_json({**report, "restart": is_running})
        return
    for name in created:
        say(f"{target / name}: written", "green")
    if not created:
        say(f"{target}: has settings already; no file was changed")
    say(f"{own} now links to it: this project uses these settings instead of the shipped examples.")
    if created and not (target / ".git").exists():
        say(f"Keep it in your own git repository: cd {target} && git init && git add . && git commit -m Settings", "dim")
    if is_running:
        say(f"The running local environment still has the settings from before: {RESTART}.", "yellow")
    if not options["run_"]:
        say("next: make run     starts everything on this machine; upload a file, and the message appears in the inbox")
        say(f"then: {deploy}     deploys it to your account")


def _run(port: int, inbox_port: int) -> NoReturn:
    """Start the local environment in a new process: this one has read the settings from before."""
    command = [sys.executable, "-m", "workbench.cli.main", "up", "--port", str(port), "--inbox-port", str(inbox_port)]
    sys.stdout.flush()
    os.chdir(PROJECT)
    os.execv(sys.executable, command)  # noqa: S606
