"""Sends recorded payloads to the deployed functions of the local environment, and tells what each caused.

The deployed functions, not a bot in this process: they run the zip that `chalice deploy` uploaded, with their role's permissions
only and in their own order of steps, so what works here works in the account.
"""

import json
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.bot.bot import Bot
from chalicelib.platform.clock import utc_now
from chalicelib.platform.sanitize import sanitize
from chalicelib.sources.queues import unwrap

from ...account import Account
from ..ledger_log import as_columns
from .event_rows import rows_of
from .event_story import EventStory, story_lines, tell
from .payloads import Recorded, function_of

_CLOCK_SKEW = timedelta(minutes=1)
_WITHOUT_EVENTS = ("sweep", "watch", "count")  # functions whose payloads are no events of rules


class Sent(Struct, frozen=True):
    """What a payload caused. The names are those of `--json`."""

    payload: str
    source: str
    function: str
    result: Any  # what the function returned
    error: str  # "" if it succeeded
    events: list[EventStory]
    repeated: list[str]  # IDs of events that the ledger had before
    also: list[dict[str, str]]  # other rows created meanwhile, as `dropnote log --json` lists them

    def as_dict(self) -> dict[str, Any]:
        """The answer for --json."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document


def deployed_functions(account: Account) -> Collection[str]:
    """The names of the functions of a stage, without its prefix."""
    prefix = f"dropnote-{account.stage}-"
    pages = account.client("lambda").get_paginator("list_functions").paginate()
    names = [function["FunctionName"] for page in pages for function in page["Functions"]]
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


def send(account: Account, bot: Bot, recorded: Recorded, functions: Collection[str]) -> Sent:
    """Invoke the function that gets a payload, and read what the ledger has about its events afterwards.

    Raises:
        PayloadError: no function gets it.
        ClientError, BotoCoreError: AWS refused.
    """
    function, started = function_of(recorded, functions, account.variables), utc_now()
    response = account.client("lambda").invoke(
        FunctionName=f"dropnote-{account.stage}-{function}", Payload=json.dumps(recorded.payload).encode()
    )
    result = json.loads(response["Payload"].read() or b"null")
    error = _error(result) if response.get("FunctionError") else ""
    recent = list(bot.deliverer.ledger.newest(started, utc_now() + _CLOCK_SKEW))
    unwrapped = () if function in _WITHOUT_EVENTS else unwrap(recorded.payload).events
    events = {event.identity: event for event in unwrapped}
    found = [rows_of(bot, event, recent) for event in events.values()]
    stories = [tell(bot, rows) for rows in found]
    repeated = [rows.event.identity for rows in found if rows.received_at and rows.received_at < started]
    shown = {delivery.id for rows in found for delivery in rows.deliveries}
    shown |= {included.bundle.id for rows in found for included in (*rows.summaries, *rows.digests)}
    also = [as_columns(row) for row in recent if row.id not in shown]
    return Sent(recorded.name, recorded.source, function, result, error, stories, repeated, also)


def _error(result: Any) -> str:
    """A failed function's error (AWS Lambda developer guide, "Python handler errors")."""
    if isinstance(result, dict) and "errorMessage" in result:
        return sanitize(f"{result.get('errorType', 'Error')}: {result['errorMessage']}")
    return sanitize(str(result))


def sent_lines(sent: Sent) -> Iterator[tuple[str, str]]:
    """Format what a payload caused for people: lines, each with its style."""
    yield f"{sent.payload}: {sent.source} → function {sent.function}", "bold"
    if sent.error:
        yield f"  !!  the function failed: {sent.error}", "red"
    elif not sent.events:
        yield f"  returned {json.dumps(sent.result)}", ""
    for story in sent.events:
        if story.event_id in sent.repeated:
            yield "  the ledger had this event before: nothing was sent again", "yellow"
        for line, style in story_lines(story, notes=False):
            yield f"  {line}", style
    if sent.also:
        yield "  also created meanwhile:", ""
    for row in sent.also:
        yield f"    {row['who'] or row['what']} {row['channel']} {row['rule']}: {row['state']}, {row['why']}", ""
