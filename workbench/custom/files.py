"""The files of a new folder: settings, config.json, and the notes that explain them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..paths import PROJECT
from .answers import Answers, NewPerson

SCHEMA = "dropnote.schema.json"

_README = """\
# {name}: settings of Dropnote

- `dropnote.toml`: people, rules, monitors
- `config.json`: the values of `${{NAME}}` for each stage, and the stage's region
- `templates/`: your message templates
- `dropnote.schema.json`: lets your editor complete and check `dropnote.toml`; `make update` keeps it current
- `deployed/`: what `chalice deploy` created; it needs these files to change or remove it

No file contains a secret: secrets are in SSM Parameter Store. Keep the folder in your own git repository:

    git init && git add . && git commit -m "Settings of Dropnote"

The project reads these files through links in chalicelib/custom/. In another copy of the project, create them with:

    .venv/bin/dropnote init {folder}
"""
_TEMPLATES_NOTE = """\
Your message templates: a folder each, with sms.txt, subject.txt, email.txt, email.html and chat.txt (Slack, Teams, Discord). If
WhatsApp's content template has several variables, whatsapp.txt has a line for each; otherwise it gets sms.txt. A file here is
used instead of the one of the same name in chalicelib/templates/. Start from a copy of a shipped folder, for example:

    cp -r chalicelib/templates/upload {folder}/templates/

Rules choose a template with `template = "NAME"`. Then run `.venv/bin/dropnote check` and `.venv/bin/dropnote preview NAME`.
"""


def new_files(answers: Answers, folder: str) -> dict[str, str]:
    """The content of each file, by its name in the folder."""
    return {
        "dropnote.toml": settings(answers),
        "config.json": config(answers),
        **notes(answers.name, folder),
    }


def notes(name: str, folder: str) -> dict[str, str]:
    """The files that only explain."""
    return {
        "README.md": _README.format(name=name, folder=folder),
        "templates/README.md": _TEMPLATES_NOTE.format(folder=folder),
        SCHEMA: (PROJECT / "docs" / SCHEMA).read_text(encoding="utf-8"),
    }


def settings(answers: Answers) -> str:
    """A small dropnote.toml, with comments for what people change first."""
    return "\n\n".join(_sections(answers)) + "\n"


def config(answers: Answers) -> str:
    """The config.json of two stages: the local environment, and one to deploy."""
    variables = {"UPLOAD_BUCKET": answers.bucket}
    if "sms" in answers.channels:
        variables["TWILIO_ACCOUNT_SID"] = answers.twilio_account
    local, deployed = dict(variables), dict(variables)
    if "email" in answers.channels and answers.transport == "smtp":
        local["EMAIL_TRANSPORT"], deployed["EMAIL_TRANSPORT"] = "ses", "smtp"
    stages: Mapping[str, Any] = {
        answers.stage: {"region": answers.region, "environment_variables": deployed},
        "local": {"environment_variables": local},
    }
    return json.dumps({"stages": stages}, indent=2) + "\n"


def _sections(answers: Answers) -> Iterator[str]:
    yield (
        f"#:schema ./{SCHEMA}\n"
        "# Settings of Dropnote; docs/settings.md and docs/monitors.md list all of them. After a change:\n"
        "# `.venv/bin/dropnote check` reports every error with its line, `make run` tries the settings on this machine,\n"
        f"# `make deploy STAGE={answers.stage}` deploys them. ${{NAME}} differs between stages: config.json has its values.\n"
        "# Keep secrets out of these files: set-up asks for them."
    )
    yield _table(
        "[bot]",
        ("name", answers.name, "shown in every message"),
        ("timezone", answers.timezone, "for times in messages"),
        ("owner", answers.people[0].name, "notified of problems of the bot itself"),
    )
    if "email" in answers.channels:
        yield _table("[email]", *_email(answers))
    if "sms" in answers.channels:
        yield _table(
            "[sms]",
            ("account", "${TWILIO_ACCOUNT_SID}", "in config.json"),
            ("from", answers.twilio_number, 'your Twilio number; or messaging_service = "MG…"'),
        )
    for person in answers.people:
        addresses = [("email", person.email, ""), ("sms", person.sms, "")]
        table = _table(f"[people.{person.name}]", *(address for address in addresses if address[1]))
        example = '\n# quiet = "22:00-07:00"  # messages that are not urgent are sent after these hours'
        yield table + (example if person is answers.people[0] else "")
    yield _rule(answers)
    yield _monitor(answers.people[0], answers.channels)


def _email(answers: Answers) -> Iterator[tuple[str, str, str]]:
    if answers.transport == "ses":
        yield "from", answers.sender, "verify it in SES before you deploy; `dropnote doctor` checks it"
        return
    yield "from", answers.sender, ""
    yield (
        "transport",
        "${EMAIL_TRANSPORT}",
        'in config.json: "smtp", and "ses" for the local environment, which receives the mails',
    )
    yield "host", answers.smtp_host, ""
    if answers.smtp_username:
        yield "username", answers.smtp_username, "set-up asks for the password"


def _rule(answers: Answers) -> str:
    recipients = [f"{channel}:{person.name}" for person in answers.people for channel in person.channels(answers.channels)]
    return "\n".join(
        [
            "# Which uploads notify whom. In a burst, five messages are sent one by one, then a summary every ten minutes.",
            "[[rules]]",
            'name = "uploads"',
            'bucket = "${UPLOAD_BUCKET}"',
            'key = "**"  # * within a folder, ** across folders; ["**", "!drafts/**"] excludes a folder',
            f"notify = [{', '.join(_quoted(recipient) for recipient in recipients)}]",
            '# then = "off"  # a message for each file, also in a burst',
            '# template = "upload"  # a folder of templates/',
        ]
    )


def _monitor(person: NewPerson, channels: tuple[str, ...]) -> str:
    return "\n".join(
        [
            "# A monitor: a message when a file is late. Other kinds check servers, metrics and bills.",
            "# [[monitors]]",
            '# name = "feed"',
            '# kind = "freshness"',
            '# bucket = "${UPLOAD_BUCKET}"',
            '# key = "feed/*.csv"',
            '# newest = "26h"',
            f"# notify = [{_quoted(f'{person.channels(channels)[0]}:{person.name}')}]",
        ]
    )


def _table(header: str, *fields: tuple[str, str, str]) -> str:
    return "\n".join([header, *(f"{name} = {_quoted(value)}{f'  # {note}' if note else ''}" for name, value, note in fields)])


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are valid in TOML (toml.io, "String")."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
