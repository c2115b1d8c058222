"""Reads [webhooks.NAME]."""

import re

from ...channels.webhook.formats import FORMATS
from ...domain.people import Person
from ...domain.settings import WebhookSettings
from ...platform.fields import values
from ...platform.fields.table import Table
from .. import policy_fields
from ..document import Document

_FIELDS = ("format", "timezone", "unknown", "rate", "allow_private", "forum", *policy_fields.PERSON)
_NAME = re.compile(r"(?!.*-key$)[a-z0-9][a-z0-9-]{0,39}")  # part of the names of its secrets


def read_all(document: Document, people: dict[str, Person], zone: str) -> dict[str, WebhookSettings]:
    """Read all webhooks. Each becomes one of `people`: it has a time zone, quiet hours and a budget as a person has.

    `zone` is the bot's time zone.
    """
    found = {}
    for name, raw in document.values("webhooks").items():
        has_url = isinstance(raw, dict) and "url" in raw
        fields = {field: value for field, value in raw.items() if field != "url"} if isinstance(raw, dict) else raw
        table = document.sub_table(fields, f"[webhooks.{name}]", ("webhooks", name), _FIELDS)
        if has_url:
            table.add_error("url", "the URL is a secret", "remove it; dropnote setup asks for it and stores it")
        if not _NAME.fullmatch(name):
            table.add_error("", f"invalid name {name!r}", "use at most 40 of a-z, 0-9 and '-', and no '-key' at the end")
        if name in people:
            table.add_error("", "a person has the same name", "rename one of them")
            continue
        people[name] = person = Person(
            name,
            timezone=table.text("timezone", "", values.time_zone),
            webhook=name,
            **policy_fields.person_fields(table),
        )
        policy_fields.check_person(person, table, person.timezone or zone)
        found[name] = _webhook(table, name)
    return found


def _webhook(table: Table, name: str) -> WebhookSettings:
    if not table.has("format"):
        table.add_error("format", "missing", f"use one of: {', '.join(FORMATS)}")
    form = table.choice("format", "json", tuple(FORMATS))
    if table.has("forum") and form != "discord":
        table.add_error("forum", "only Discord has forum channels", "remove it")
    return WebhookSettings(
        name,
        format=form,
        max_rate=table.parsed("rate", FORMATS[form].rate, values.parse_rate),
        unknown=table.choice("unknown", "resend", ("resend", "give-up")),
        allow_private=table.boolean("allow_private"),
        forum=table.boolean("forum"),
    )
