"""Reads [[rules]]: the fields common to all rules, their recipients, and which events a rule is on."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from msgspec import Struct

from ..domain.event import Kind, Severity
from ..domain.people import Channel, Person, Recipient
from ..domain.rule import Rule
from ..platform.custom import TEMPLATES_NAME
from ..platform.fields import values
from ..platform.fields.table import FieldError, Table
from ..platform.phrases import did_you_mean
from . import policy_fields
from .document import Document, Entry
from .kinds import upload_rules

_COMMON = ("name", "on", "notify", "template", "expires", "fallback")


class Source(Struct, frozen=True):
    """What a rule can be on: the fields it adds, and their reader."""

    kind: Kind
    fields: tuple[str, ...]
    read: Callable[[Table], Mapping[str, Any]]  # returns arguments of Rule
    needs_recipients: Callable[[Table], bool] = lambda table: True


def _bus(table: Table) -> Mapping[str, Any]:
    from .kinds.bus_rules import read  # imported late: adds nothing to the upload path

    return read(table)


def _item(table: Table) -> Mapping[str, Any]:
    from .kinds.item_rules import read

    return read(table)


_SOURCES = {
    source.kind.value: source
    for source in (
        Source(Kind.UPLOAD, (*upload_rules.FIELDS, *policy_fields.RULE), upload_rules.read),
        Source(Kind.BUS, ("event", "pattern", "remind", *policy_fields.COMMON), _bus),
        Source(
            Kind.ITEM,
            ("table", "did", "changed", "new", "old", "show", "title", "count", *policy_fields.BUNDLING, *policy_fields.COMMON),
            _item,
            lambda table: not table.has("count") or table.has("notify"),
        ),
    )
}


class RecipientReader:
    """Reads fields such as `notify`: "email:asha" or "sms:GROUP" to recipients."""

    def __init__(self, document: Document, people: Mapping[str, Person], groups: Mapping[str, tuple[str, ...]]) -> None:
        self._document = document
        self._people = people
        self._groups = groups

    def read(self, table: Table, field: str) -> tuple[Recipient, ...]:
        """The recipients that a field names, each once."""
        targets = table.texts(field, required='["email:asha"]')
        if table.raw(field) == []:
            table.add_error(field, "empty", 'add a recipient, for example "email:asha"')
        recipients = [
            recipient for position, target in enumerate(targets) for recipient in self._target(table, field, target, position)
        ]
        return tuple(dict.fromkeys(recipients))

    def _target(self, table: Table, field: str, target: str, position: int) -> Iterator[Recipient]:
        channel, _, name = target.partition(":")
        channels = tuple(channel.value for channel in Channel)
        at = (position,)
        if channel not in channels:
            table.add_error(field, f"unknown channel {channel!r}", did_you_mean(channel, channels), at)
            return
        is_webhook = channel == Channel.WEBHOOK
        if name not in self._people and name not in self._groups:
            what, needed = ("webhook", f"[webhooks.{name}]") if is_webhook else ("person", f"[people.{name}]")
            known = [person.name for person in self._people.values() if bool(person.webhook) is is_webhook]
            hint = did_you_mean(name, [*known, *self._groups] if known else ()) or f"add {needed}"
            table.add_error(field, f"unknown {what} or group {name!r}", hint, at)
            return
        if channel not in self._document and not is_webhook:
            needed = "from" if channel == Channel.EMAIL else "account and from"
            table.add_error(field, f"{target!r} needs the table [{channel}]", f"add [{channel}] with {needed}", at)
        members = [self._people[member] for member in self._groups.get(name, (name,))]
        if name in self._groups:  # of a group with webhooks, each channel reaches its own
            members = [member for member in members if bool(member.webhook) is is_webhook]
            if not members:
                kind = "no webhook" if is_webhook else "webhooks only"
                table.add_error(field, f"the group {name} has {kind}", f"add one to [groups] {name}, or change the channel", at)
        for member in members:
            if self._lacks_address(member, channel):
                hint = f"use webhook:{member.name}" if member.webhook else f"add {channel} to [people.{member.name}]"
                hint = f"add [webhooks.{member.name}], or choose another channel" if is_webhook else hint
                table.add_error(field, f"{member.name} has no {channel}", hint, at)
            yield Recipient(Channel(channel), member)

    def _lacks_address(self, member: Person, channel: str) -> bool:
        """Whether the file gives a person no address on a channel; one that is there and not valid is reported elsewhere."""
        if member.webhook or channel == Channel.WEBHOOK:
            return bool(member.webhook) is not (channel == Channel.WEBHOOK)
        raw = self._document.values("people").get(member.name)
        return isinstance(raw, dict) and channel not in raw

    def has_other_channel(self, recipient: Recipient) -> bool:
        """Whether the person can be reached by a second channel that is set up."""
        others = (channel for channel in Channel if channel is not recipient.channel and channel.value in self._document)
        return any(Recipient(channel, recipient.person).address for channel in others)


class RuleReader:
    """Reads the rules of a document. `zone` is the bot's time zone."""

    def __init__(self, document: Document, recipients: RecipientReader, templates: Collection[str], zone: str) -> None:
        self._document = document
        self._recipients = recipients
        self._templates = templates
        self._zone = zone

    def read_all(self) -> tuple[Rule, ...]:
        """All rules in file order; of several with the same name only the last."""
        rules: dict[str, Rule] = {}
        for entry in self._document.list_of_tables("rules"):
            rule = self._rule(entry)
            if rule.name in rules and rule.name:
                entry.add_error("name", "another rule has the same name", "choose a different name")
            rules[rule.name or entry.where] = rule
        return tuple(rules.values())

    def template(self, name: str) -> str:
        """Check the name of a template.

        Raises:
            FieldError: it does not exist.
        """
        if name not in self._templates:
            hint = did_you_mean(name, self._templates) or f"create it in {TEMPLATES_NAME}"
            raise FieldError(f"unknown template {name!r}", hint)
        return name

    def _rule(self, entry: Entry) -> Rule:
        on = entry.get("on")
        source = _SOURCES.get(on if isinstance(on, str) else "", _SOURCES[Kind.UPLOAD.value])
        table = entry.table((*_COMMON, *source.fields))
        table.choice("on", Kind.UPLOAD.value, tuple(_SOURCES))
        rule = Rule(
            name=table.text("name", required='"invoices"'),
            on=source.kind,
            **source.read(table),
            recipients=self._recipients.read(table, "notify") if source.needs_recipients(table) else (),
            template=table.text("template", source.kind.value, self.template),
            expires=table.parsed("expires", timedelta(hours=24), values.parse_duration),
            fallback=table.parsed("fallback", None, values.parse_duration),
            severity=Severity(table.choice("severity", "info", tuple(severity.value for severity in Severity))),
            urgent=table.boolean("urgent", table.raw("severity") == Severity.CRITICAL.value),
            digest=table.parsed("digest", None, policy_fields.schedule),
            quiet=table.parsed_list("quiet", (), policy_fields.quiet),
            budget=table.parsed_list("budget", (), policy_fields.limit),
        )
        if rule.fallback and not any(map(self._recipients.has_other_channel, rule.recipients)):
            hint = "give a recipient both email and sms (or whatsapp), or remove fallback"
            table.add_error("fallback", "no recipient has a second channel", hint)
        if rule.link and rule.link.sign_in and "console" not in self._document and self._document.stage != "local":
            table.add_error("link", "sign_in needs the table [console]", "add [console] with operators or readers")
        policy_fields.check_rule(rule, table, lambda person: person.timezone or self._zone)
        return rule
