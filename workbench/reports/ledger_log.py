"""Shows the ledger to people: a list of its rows, or everything about one of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from chalicelib.bot.bot import Bot
from chalicelib.domain.bundle import Bundle
from chalicelib.domain.delivery import Delivery, delivery_summary
from chalicelib.domain.event import Event
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from chalicelib.platform.fields.table import FieldError
from chalicelib.platform.fields.values import parse_duration
from chalicelib.platform.phrases import did_you_mean
from chalicelib.platform.sanitize import sanitize
from chalicelib.rules import globs
from chalicelib.store.members import Member
from chalicelib.store.rows import Parked

MAX_MEMBERS_SHOWN = 20
FULL_ID = 32  # hex digits
PREFIX_SEARCH = timedelta(days=7)  # how far back the beginning of an ID is looked up
COLUMNS = ("when", "what", "rule", "who", "channel", "state", "why")

Row = Delivery | Bundle | Parked
Members = Callable[[Bundle], Iterable[Member]]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows to list; an empty field accepts every row."""

    who: str = ""
    rule: str = ""
    channel: str = ""
    state: str = ""
    key: str = ""  # a glob

    def accepts(self, row: Row) -> bool:
        """Whether a row passes. A bundle's key is not checked here: its members have the keys."""
        if isinstance(row, Parked):
            return self.state in ("", "parked") and not (self.who or self.rule or self.channel or self.key)
        state = _bundle_state(row) if isinstance(row, Bundle) else row.state.value
        pairs = ((self.who, row.person), (self.rule, row.rule), (self.channel, str(row.channel)), (self.state, state))
        matches = all(expected in ("", actual) for expected, actual in pairs)
        return matches and (isinstance(row, Bundle) or self.accepts_key(row.event))

    def accepts_key(self, event: Event) -> bool:
        """Whether an event is about an object with a matching key."""
        return not self.key or (event.upload is not None and bool(globs.to_regex(self.key).fullmatch(event.upload.key)))


def parse_time(text: str, now: datetime) -> datetime:
    """Read a time as people write it: "2h" ago, a day, or a day and time in this machine's zone.

    Raises:
        ValueError: none of these.
    """
    try:
        return now - parse_duration(text)
    except FieldError:
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:
            raise ValueError(f'invalid time {text!r}; use for example "2h", "2026-11-23" or "2026-11-23T10:00"') from None


def local_time(moment: datetime) -> str:
    """Format a time in this machine's zone."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def newest_rows(bot: Bot, accepted: Filter, since: datetime, count: int) -> list[Row]:
    """List the newest rows that pass the filter, newest first; with a key, also the bundles that contain it."""
    until = utc_now() + timedelta(minutes=1)  # clocks differ
    members = bot.deliverer.deferrer.bundles.members
    rows = (row for row in bot.deliverer.ledger.newest(since, until) if accepted.accepts(row))
    return list(islice((row for row in rows if not isinstance(row, Bundle) or _contains(row, members, accepted)), count))


def _contains(bundle: Bundle, members: Members, accepted: Filter) -> bool:
    if not accepted.key:
        return True
    return any(accepted.accepts_key(member.event) and not member.sent_immediately for member in members(bundle))


def changed_rows(read: Callable[[], list[Row]], wait: Callable[[], object]) -> Iterator[Row]:
    """Yield every row that is new or has changed since the last read, oldest first, forever. `read` returns newest first."""
    known: dict[str, Row] = {}
    while True:
        for row in reversed(read()):
            if known.get(row.id) != row:
                known[row.id] = row
                yield row
        wait()


def unknown_names(settings: Settings, who: str, rule: str) -> list[str]:
    """Name the person or rule that is probably misspelled. A name removed from the settings may still have rows."""
    rules = [*(known.name for known in settings.rules), *(monitor.name for monitor in settings.monitors)]
    hints = []
    for kind, name, known in (("person", who, [*settings.people]), ("rule", rule, rules)):
        if name and name not in known and (hint := did_you_mean(name, known)).startswith("did"):
            hints.append(f"unknown {kind} {name!r}; {hint}")
    return hints


def as_columns(row: Row) -> dict[str, str]:
    """Return one row of the list: COLUMNS, the row's ID, and that of its event; a summary is an event, too."""
    when = local_time(row.created_at)
    if isinstance(row, Parked):
        state = "redriven" if row.redriven_at else "parked"
        cells = (when, f"payload from {row.source}", "", "", "", state, row.why)
    elif isinstance(row, Bundle):
        due = f"{row.why or 'bundle'}, due {local_time(row.due_at)}" if row.due_at else ""
        why = due or f"{row.files} in one message" + (f", {row.why}" if row.why else "")
        what = f"bundle {sanitize(row.by)}" if row.by else "bundle"
        cells = (when, what, row.rule, row.person, row.channel, _bundle_state(row), why)
    else:
        why = reason_of(row.reason.value, row.detail)
        cells = (when, subject_of(row.event), row.rule, row.person, row.channel.value, row.state.value, why)
    event = row.event.identity if isinstance(row, Delivery) else row.id if isinstance(row, Bundle) else ""
    return {**dict(zip(COLUMNS, cells, strict=True)), "id": row.id, "event_id": event}


def _bundle_state(bundle: Bundle) -> str:
    return "waits" if bundle.due_at else "told"


def subject_of(event: Event) -> str:
    """Say what an event is about: the object's key, the number of files or events, or its detail."""
    if event.summary:
        return f"{event.summary.files} files"
    if event.digest:
        return f"digest of {sum(part.summary.files + part.summary.others for part in event.digest.parts)} events"
    return sanitize(event.upload.key if event.upload else event.detail or event.kind.value)


def find_row(bot: Bot, prefix: str) -> Row:
    """Find the row whose ID starts with a prefix: of any age for a full ID, otherwise of the last week.

    Raises:
        ValueError: no row has such an ID, or several do.
    """
    deliverer, now = bot.deliverer, utc_now()
    ledger, bundles = deliverer.ledger, deliverer.deferrer.bundles
    if len(prefix) == FULL_ID:
        rows: list[Row] = [row for row in (ledger.get(prefix), ledger.get_parked(prefix), bundles.get(prefix)) if row]
    else:
        rows = [row for row in ledger.newest(now - PREFIX_SEARCH, now) if row.id.startswith(prefix)]
    if len(rows) > 1:
        raise ValueError(f"{len(rows)} IDs start with {prefix!r}; use more characters")
    if not rows:
        raise ValueError(f"no delivery with ID {prefix!r}; `dropnote log --json` lists the IDs")
    return rows[0]


def history(delivery: Delivery) -> list[dict[str, str]]:
    """List every state that a delivery has had, in order: when, which, why."""
    first = delivery.steps[0].state.value if delivery.steps else ""
    start = {"when": local_time(delivery.created_at), "state": "claimed" if first != "claimed" else "held", "why": "first seen"}
    if not delivery.steps and delivery.state.value != "claimed":
        start |= {"state": delivery.state.value, "why": reason_of(delivery.reason.value, delivery.detail)}
    steps = (
        {"when": local_time(step.at), "state": step.state.value, "why": reason_of(step.reason.value, step.detail)}
        for step in delivery.steps
    )
    return [start, *steps]


def details(row: Row, members: Members) -> dict[str, Any]:
    """Return everything about one row; a delivery's history is its "story"."""
    if isinstance(row, Bundle):
        subjects = sorted(subject_of(member.event) for member in members(row) if not member.sent_immediately)
        return {**as_columns(row), "members": len(subjects), "first": ", ".join(subjects[:MAX_MEMBERS_SHOWN])}
    if isinstance(row, Parked):
        return {**as_columns(row), "payload": sanitize(row.payload.decode(errors="replace"))}
    upload = row.event.upload
    return {
        **as_columns(row),
        **{name: value for name, value in delivery_summary(row).items() if name in ("attempts", "receipt")},
        "event": row.event.kind.value,
        "at": local_time(row.event.at),
        "bucket": upload.bucket if upload else "",
        "size": upload.size if upload else None,
        "instead_of": row.instead_of,
        "bundle": row.bundle,
        "due": local_time(row.due_at) if row.due_at else "",
        "expires": local_time(row.expires_at),
        "story": history(row),
    }


def reason_of(reason: str, detail: str) -> str:
    """Say why a delivery is in its state: "refused: the number is not valid"."""
    return f"{reason}: {detail}" if detail else reason
