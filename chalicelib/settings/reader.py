"""Reads the settings file: every mistake of it in one go, each with its place and the nearest that would be right."""

import tomllib
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ..domain.event import Kind, Severity
from ..domain.people import Channel, Person, Recipient
from ..domain.rule import Rule
from ..domain.settings import BotSettings, EmailSettings, Settings, SettingsError, SmsSettings
from ..platform.fields import values
from ..platform.fields.table import FieldError, Finding, Table
from ..platform.phrases import did_you_mean
from . import policy_fields, rule_sources

if TYPE_CHECKING:
    from ..domain.monitor import Monitor, MonitorDefaults
    from ..domain.settings import Analytics

_TABLES = ("bot", "email", "sms", "people", "groups", "rules", "monitors", "holidays", "analytics")
_PERSON = ("email", "sms", "timezone", *policy_fields.PERSON)
_RULE = ("name", "on", "notify", "template", "expires", "fallback")


def load(path: Path, *, environ: Mapping[str, str], templates: Collection[str], monitors: bool = True) -> Settings:
    """Read the settings file at `path`; see read.

    Raises:
        SettingsError: the file is not there, is not UTF-8, or has mistakes.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError((Finding(str(path), "", f"it cannot be read: {type(error).__name__}"),)) from error
    return read(text, environ=environ, templates=templates, monitors=monitors)


def read(text: str, *, environ: Mapping[str, str], templates: Collection[str], monitors: bool = True) -> Settings:
    """Read settings. `environ` fills ${NAME}; `templates` are the names there are; without `monitors` those are left out.

    Raises:
        SettingsError: with every finding, in the order of the file.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError((Finding("the file", "", f"it is not TOML: {error}"),)) from error
    return _Reading(raw, environ, templates, monitors).settings()


class _Reading:
    """One reading of one file."""

    def __init__(self, raw: dict[str, Any], environ: Mapping[str, str], templates: Collection[str], monitors: bool) -> None:
        self._raw = raw
        self._environ = environ
        self._templates = templates
        self._with_monitors = monitors
        self._findings: list[Finding] = []

    def settings(self) -> Settings:
        for name in self._raw:
            if name not in _TABLES:
                self._findings.append(Finding(f"[{name}]", "", "there is no such table", did_you_mean(name, _TABLES)))
        self._zone = self._bots_zone()
        people = {name: self._person(name, raw) for name, raw in self._tables("people").items()}
        groups = self._groups(people)
        settings = Settings(
            bot=self._bot(people),
            email=self._email() if "email" in self._raw else None,
            sms=self._sms() if "sms" in self._raw else None,
            people=people,
            groups=groups,
            rules=self._rules(people, groups),
            monitors=self._monitors(people, groups),
            analytics=self._analytics() if "analytics" in self._raw else None,
        )
        self._names_apart(settings)
        if self._findings:
            raise SettingsError(tuple(dict.fromkeys(self._findings)))
        return settings

    def _table(self, raw: object, where: str, known: tuple[str, ...]) -> Table:
        return Table(raw, where, self._findings, self._environ, known)

    def _tables(self, name: str) -> dict[str, Any]:
        raw = self._raw.get(name, {})
        if not isinstance(raw, dict):
            self._findings.append(Finding(f"[{name}]", "", "it is not a table"))
            return {}
        return raw

    def _bot(self, people: Mapping[str, Person]) -> BotSettings:
        table = self._table(self._raw.get("bot", {}), "[bot]", _names(BotSettings))
        bot = BotSettings(
            table.text("name", needed=True),
            table.text("timezone", "UTC", values.zone),
            table.text("owner"),
            table.each_parsed("budget", (), policy_fields.limit),
            table.text("ping", "", values.url),
        )
        if bot.owner and bot.owner not in people:
            table.wrong("owner", f"there is no person {bot.owner!r}", did_you_mean(bot.owner, people))
        return bot

    def _email(self) -> EmailSettings:
        table = self._table(self._raw["email"], "[email]", _names(EmailSettings))
        email = EmailSettings(
            from_=table.text("from", "", values.sender, needed=True),
            transport=table.choice("transport", "ses", ("ses", "smtp")),
            host=table.text("host"),
            port=table.number("port", 0, 1, 65535),
            security=table.choice("security", "starttls", ("starttls", "tls")),
            username=table.text("username"),
            unknown=table.choice("unknown", "resend", ("resend", "give-up")),
        )
        if email.transport == "smtp" and not table.has("host"):
            table.wrong("host", "it is missing", 'transport = "smtp" needs the name of the server')
        return email

    def _sms(self) -> SmsSettings:
        table = self._table(self._raw["sms"], "[sms]", _names(SmsSettings))
        if table.has("from") == table.has("messaging_service"):
            table.wrong("from", "give either from or messaging_service", "one of the two, not both")
        return SmsSettings(
            account=table.text("account", needed=True),
            from_=table.text("from", "", values.number),
            messaging_service=table.text("messaging_service"),
            max_segments=table.number("max_segments", 2, 1, 10),
            unknown=table.choice("unknown", "give-up", ("resend", "give-up")),
        )

    def _analytics(self) -> "Analytics":
        from . import analytics  # the way of an upload pays nothing for them

        return analytics.read(self._table(self._raw["analytics"], "[analytics]", analytics.FIELDS))

    def _person(self, name: str, raw: object) -> Person:
        table = self._table(raw, f"[people.{name}]", _PERSON)
        if not table.has("email") and not table.has("sms"):
            table.wrong("", "there is no way to this person", "give email or sms")
        person = Person(
            name,
            table.text("email", "", values.address),
            table.text("sms", "", values.number),
            table.text("timezone", "", values.zone),
            **policy_fields.person_fields(table),
        )
        policy_fields.of_person(person, table, person.timezone or self._zone)
        return person

    def _bots_zone(self) -> str:
        """The bot's zone, where it is one: what is wrong with it is told where it is read."""
        raw = self._raw.get("bot", {})
        zone = raw.get("timezone", "UTC") if isinstance(raw, dict) else "UTC"
        try:
            return values.zone(zone)
        except (FieldError, TypeError):
            return "UTC"

    def _groups(self, people: Mapping[str, Person]) -> dict[str, tuple[str, ...]]:
        table = self._table(self._raw.get("groups", {}), "[groups]", ())
        groups = {}
        for name in self._tables("groups"):
            members = table.texts(name)
            for member in members:
                if member not in people:
                    table.wrong(name, f"there is no person {member!r}", did_you_mean(member, people))
            if name in people:
                table.wrong(name, "a person has this name already")
            if not members:
                table.wrong(name, "nobody is in it")
            groups[name] = tuple(member for member in members if member in people)
        return groups

    def _rules(self, people: Mapping[str, Person], groups: Mapping[str, tuple[str, ...]]) -> tuple[Rule, ...]:
        raw = self._raw.get("rules", [])
        if not isinstance(raw, list):
            self._findings.append(Finding("[rules]", "", "it is one table, not a list", "write [[rules]]"))
            return ()
        if not raw and not self._raw.get("monitors"):
            self._findings.append(Finding("[[rules]]", "", "there is none", "without a rule nobody hears of anything"))
        rules: dict[str, Rule] = {}
        for position, each in enumerate(raw, start=1):
            name = each.get("name", "") if isinstance(each, dict) else ""
            where = f"rules[{position}] {name!r}" if name else f"rules[{position}]"
            rule = self._rule(each, where, people, groups)
            if rule.name in rules and rule.name:
                self._findings.append(Finding(where, "name", "an earlier rule has this name already"))
            rules[rule.name or str(position)] = rule
        return tuple(rules.values())

    def _monitors(self, people: Mapping[str, Person], groups: Mapping[str, tuple[str, ...]]) -> "tuple[Monitor, ...]":
        raw = self._raw.get("monitors", [])
        if not isinstance(raw, list):
            self._findings.append(Finding("[monitors]", "", "it is one table, not a list", "write [[monitors]]"))
            return ()
        if not raw or not self._with_monitors:
            return ()
        from . import monitors  # the way of an upload pays nothing for them

        def recipients(table: Table, field: str) -> tuple[Recipient, ...]:
            return self._recipients(table, people, groups, field)

        defaults = self._defaults()
        found = (each for one in raw for each in monitors.read(one, self._table, recipients, self._template, defaults))
        return tuple(found)

    def _defaults(self) -> "MonitorDefaults":
        from ..domain.monitor import MonitorDefaults

        table = self._table(self._raw.get("holidays", {}), "[holidays]", ())
        return MonitorDefaults(self._zone, {name: table.texts(name) for name in self._tables("holidays")})

    def _names_apart(self, settings: Settings) -> None:
        """Rules and monitors are told apart by their names: in messages, silences and the log."""
        seen = {rule.name for rule in settings.rules}
        for monitor in settings.monitors:
            if monitor.name in seen and monitor.name:
                problem = "an earlier rule or monitor has this name already"
                self._findings.append(Finding(f"monitors {monitor.name!r}", "name", problem))
            seen.add(monitor.name)

    def _rule(self, raw: object, where: str, people: Mapping[str, Person], groups: Mapping[str, tuple[str, ...]]) -> Rule:
        on = raw.get("on", Kind.UPLOAD.value) if isinstance(raw, dict) else Kind.UPLOAD.value
        source = rule_sources.of(on if isinstance(on, str) else "")
        table = self._table(
            raw, where, (*_RULE, *source.fields, *(policy_fields.RULE if source.kind is Kind.UPLOAD else policy_fields.COMMON))
        )
        table.choice("on", Kind.UPLOAD.value, rule_sources.NAMES)
        rule = Rule(
            name=table.text("name", needed=True),
            on=source.kind,
            **source.read(table),
            recipients=self._recipients(table, people, groups) if source.notifies(table) else (),
            template=table.text("template", source.kind.value, self._template),
            expires=table.parsed("expires", timedelta(hours=24), values.span),
            fallback=table.parsed("fallback", None, values.span),
            severity=Severity(table.choice("severity", "info", tuple(each.value for each in Severity))),
            urgent=table.yes("urgent", table.raw("severity") == Severity.CRITICAL.value),
            digest=table.parsed("digest", None, policy_fields.schedule),
            quiet=table.each_parsed("quiet", (), policy_fields.quiet),
            budget=table.each_parsed("budget", (), policy_fields.limit),
        )
        if rule.fallback and not any(self._other_channel(recipient) for recipient in rule.recipients):
            table.wrong("fallback", "nobody it notifies has another channel", "give them email and sms, or leave it out")
        policy_fields.contradictions(rule, table, lambda person: person.timezone or self._zone)
        return rule

    def _other_channel(self, recipient: Recipient) -> bool:
        others = (channel for channel in Channel if channel is not recipient.channel and channel.value in self._raw)
        return any(Recipient(channel, recipient.person).address for channel in others)

    def _template(self, name: str) -> str:
        if name not in self._templates:
            raise FieldError(f"there is no template {name!r}", did_you_mean(name, self._templates))
        return name

    def _recipients(
        self, table: Table, people: Mapping[str, Person], groups: Mapping[str, tuple[str, ...]], field: str = "notify"
    ) -> tuple[Recipient, ...]:
        targets = table.texts(field, needed=True)
        if table.has(field) and not targets:
            table.wrong(field, "nobody is to hear", 'such as ["email:asha"]')
        found = [each for target in targets for each in self._targeted(table, target, people, groups, field)]
        return tuple(dict.fromkeys(found))

    def _targeted(
        self, table: Table, target: str, people: Mapping[str, Person], groups: Mapping[str, tuple[str, ...]], field: str
    ) -> list[Recipient]:
        word, _, name = target.partition(":")
        channels = tuple(channel.value for channel in Channel)
        if word not in channels:
            table.wrong(field, f"{word!r} is no channel", did_you_mean(word, channels))
            return []
        if name not in people and name not in groups:
            table.wrong(field, f"there is no person or group {name!r}", did_you_mean(name, [*people, *groups]))
            return []
        if word not in self._raw:
            table.wrong(field, f"{target!r} needs the table [{word}]", "it says how such messages leave")
        found = [Recipient(Channel(word), people[member]) for member in groups.get(name, (name,))]
        for recipient in found:
            raw = self._tables("people")[recipient.person.name]
            if isinstance(raw, dict) and word not in raw:
                table.wrong(
                    field,
                    f"{recipient.person.name} has no {word}",
                    f"add {word} to [people.{recipient.person.name}]",
                )
        return found


def _names(model: type[Struct]) -> tuple[str, ...]:
    return tuple(name.rstrip("_") for name in model.__struct_fields__)
