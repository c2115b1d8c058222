"""Reads the settings file into domain values, and reports every error in it with its place and how to fix it."""

import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..domain.people import Person
from ..domain.rule import Rule
from ..domain.settings import (
    DEFAULT_SWEEPERS,
    MAX_SWEEPERS,
    Analytics,
    BotSettings,
    BucketSettings,
    ConsoleSettings,
    MetricsSettings,
    Settings,
    SettingsError,
)
from ..platform.fields import values
from ..platform.fields.table import FieldError, Finding, Table
from ..platform.phrases import did_you_mean
from . import policy_fields
from .channels import tables as channels
from .document import Document
from .rules import RecipientReader, RuleReader

if TYPE_CHECKING:
    from ..domain.files.links import UploadFolder
    from ..domain.monitor import Monitor, MonitorDefaults

_BOT = ("name", "timezone", "owner", "budget", "ping", "sweepers")
_ADDRESSES: dict[str, Callable[[str], str]] = {
    "email": values.email_address,
    "sms": values.phone_number,
    "whatsapp": values.phone_number,
}
_PERSON = (*_ADDRESSES, "timezone", *policy_fields.PERSON)


def load(path: Path, *, environ: Mapping[str, str], templates: Collection[str], monitors: bool = True) -> Settings:
    """Read the settings file at `path`; see read.

    Raises:
        SettingsError: the file is missing, is not UTF-8, or has errors.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SettingsError((Finding("", "", "the file does not exist", "check its path"),)) from error
    except (OSError, UnicodeDecodeError) as error:
        finding = Finding("", "", f"the file cannot be read ({type(error).__name__})", "it must be a text file in UTF-8")
        raise SettingsError((finding,)) from error
    return read(text, environ=environ, templates=templates, monitors=monitors)


def read(text: str, *, environ: Mapping[str, str], templates: Collection[str], monitors: bool = True) -> Settings:
    """Read settings. `environ` fills ${NAME}; `templates` are the existing ones. Without `monitors`, [[monitors]] is skipped.

    Raises:
        SettingsError: with every error found.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError((Finding("", "", f"invalid TOML: {error}"),)) from error
    return read_document(Document(raw, environ), templates, monitors=monitors)


def read_document(document: Document, templates: Collection[str], *, monitors: bool = True) -> Settings:
    """Read a parsed settings file; see read."""
    return _Reader(document, templates, with_monitors=monitors).settings()


class _Reader:
    """Reads one document, table by table."""

    def __init__(self, document: Document, templates: Collection[str], *, with_monitors: bool) -> None:
        self._document = document
        self._templates = templates
        self._with_monitors = with_monitors
        self._zone = _bot_zone(document)

    def settings(self) -> Settings:
        document = self._document
        people = {name: self._person(name, raw) for name, raw in document.values("people").items()}
        webhooks = channels.webhooks(document, people, self._zone) if "webhooks" in document else {}
        groups = self._groups(people)
        recipients = RecipientReader(document, people, groups)
        rule_reader = RuleReader(document, recipients, self._templates, self._zone)
        bot = self._bot(people)
        email = channels.email(document) if "email" in document else None
        sms = channels.sms(document, people) if "sms" in document else None
        whatsapp = channels.whatsapp(document, self._templates) if "whatsapp" in document else None
        rules = rule_reader.read_all()
        if not document.has_entries("rules") and not document.has_entries("monitors"):
            document.findings.append(Finding("[[rules]]", "", "missing", "add a rule or a monitor: without one, nothing is sent"))
        triggers = self._triggers(rules)
        monitors = self._monitors(rules, recipients, rule_reader)
        analytics, metrics = self._counting()
        console = self._console(people, groups)
        upload_links = self._upload_links()
        if document.findings:
            raise SettingsError(tuple(dict.fromkeys(document.findings)))
        return Settings(
            bot,
            email,
            sms,
            people,
            groups,
            rules,
            monitors,
            analytics,
            triggers,
            console,
            metrics,
            whatsapp,
            webhooks,
            upload_links,
        )

    def _bot(self, people: Mapping[str, Person]) -> BotSettings:
        table = self._document.table("bot", _BOT)
        bot = BotSettings(
            table.text("name", required='"acme-drops"'),
            table.text("timezone", "UTC", values.time_zone),
            table.text("owner"),
            table.parsed_list("budget", (), policy_fields.limit),
            table.text("ping", "", values.url),
            table.number("sweepers", DEFAULT_SWEEPERS, 1, MAX_SWEEPERS),
        )
        if bot.owner and bot.owner not in people:
            hint = did_you_mean(bot.owner, people) or f"add [people.{bot.owner}]"
            table.add_error("owner", f"unknown person {bot.owner!r}", hint)
        return bot

    def _person(self, name: str, raw: object) -> Person:
        table = self._document.sub_table(raw, f"[people.{name}]", ("people", name), _PERSON)
        if not any(map(table.has, _ADDRESSES)):
            table.add_error("", "no address", "set email, sms or whatsapp")
        person = Person(
            name,
            timezone=table.text("timezone", "", values.time_zone),
            **_addresses(table),
            **policy_fields.person_fields(table),
        )
        policy_fields.check_person(person, table, person.timezone or self._zone)
        return person

    def _groups(self, people: Mapping[str, Person]) -> dict[str, tuple[str, ...]]:
        names = self._document.values("groups")
        if not names:
            return {}
        table, groups = self._document.table("groups", ()), {}
        for name, raw in names.items():
            members = table.texts(name)
            for position, member in enumerate(members):
                if member not in people:
                    hint = did_you_mean(member, people) or f"add [people.{member}]"
                    table.add_error(name, f"unknown person {member!r}", hint, (position,))
            if name in people:
                table.add_error(name, "a person has the same name", "rename the group")
            if raw == []:
                table.add_error(name, "empty", "add a person, or remove the group")
            groups[name] = tuple(member for member in members if member in people)
        return groups

    def _triggers(self, rules: Iterable[Rule]) -> dict[str, BucketSettings]:
        if "buckets" not in self._document:
            return {}
        from . import buckets  # imported late: most settings have none

        return buckets.read_all(self._document, rules)

    def _counting(self) -> "tuple[Analytics | None, MetricsSettings | None]":
        document = self._document
        if "analytics" not in document and "metrics" not in document:
            return None, None
        from . import counting  # imported late: most settings have neither

        analytics = counting.analytics(document) if "analytics" in document else None
        return analytics, counting.metrics(document) if "metrics" in document else None

    def _console(self, people: Mapping[str, Person], groups: Mapping[str, tuple[str, ...]]) -> ConsoleSettings | None:
        """Without [console], everybody may sign in locally, and nobody on other stages."""
        if "console" not in self._document:
            return ConsoleSettings(operators=tuple(people)) if self._document.stage == "local" else None
        from . import console  # imported late: only settings with [console] need it

        return console.read_console(self._document.table("console", console.FIELDS), people, groups)

    def _upload_links(self) -> "tuple[UploadFolder, ...]":
        if "upload_links" not in self._document:
            return ()
        from . import links  # imported late: most settings have none

        return links.read_upload_folders(self._document)

    def _monitors(self, rules: Iterable[Rule], recipients: RecipientReader, reader: RuleReader) -> "tuple[Monitor, ...]":
        """The monitors. Rules and monitors need different names: messages, silences and the log identify them by name."""
        entries = list(self._document.list_of_tables("monitors"))
        if not entries or not self._with_monitors:
            return ()
        from . import monitors  # imported late: adds nothing to the upload path

        names, found, defaults = {rule.name for rule in rules}, [], self._monitor_defaults()
        for entry in entries:
            for monitor in monitors.read(entry, recipients.read, reader.template, defaults):
                if monitor.name and monitor.name in names:
                    problem = f"another rule or monitor is called {monitor.name!r}"
                    entry.add_error("name", problem, "choose a different name")
                names.add(monitor.name)
                found.append(monitor)
        return tuple(found)

    def _monitor_defaults(self) -> "MonitorDefaults":
        from ..domain.monitor import MonitorDefaults

        names = self._document.values("holidays")
        table = self._document.table("holidays", ()) if names else None
        return MonitorDefaults(self._zone, {name: table.texts(name) for name in names} if table else {})


def _addresses(table: Table) -> Mapping[str, Any]:
    return {field: table.text(field, "", check) for field, check in _ADDRESSES.items()}


def _bot_zone(document: Document) -> str:
    """The bot's time zone, or UTC if it is invalid: the error is added when [bot] is read."""
    raw = document.get("bot")
    zone = raw.get("timezone", "UTC") if isinstance(raw, dict) else "UTC"
    try:
        return values.time_zone(zone)
    except (FieldError, TypeError):
        return "UTC"
