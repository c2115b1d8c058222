"""Shows the ledger to people: a list of its rows, or everything about one of them."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from chalicelib.bot.bot import Bot
from chalicelib.console.log.rows import Filter, Row, state_of, steps_of, subject_of, subject_of_row, why_of_row, why_of_step
from chalicelib.domain.bundle import Bundle
from chalicelib.domain.delivery import Delivery, delivery_summary
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from chalicelib.platform.fields.table import FieldError
from chalicelib.platform.fields.values import parse_duration
from chalicelib.platform.phrases import did_you_mean
from chalicelib.platform.sanitize import sanitize
from chalicelib.store.members import Member
from chalicelib.store.rows import Parked

MAX_MEMBERS_SHOWN = 20
FULL_ID = 32  # hex digits
WITHOUT_RULE = ("digest", "test", "trouble")  # the "rule" of such messages; that of a requested one begins with "message "
PREFIX_SEARCH = timedelta(days=7)  # how far back the beginning of an ID is looked up
COLUMNS = ("when", "what", "rule", "who", "channel", "state", "why")

Members = Callable[[Bundle], Iterable[Member]]


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
    return not accepted.key or bool(member_id(bundle, members, accepted))


def member_id(row: Row, members: Members, accepted: Filter) -> str:
    """The ID of the first event of a bundle whose key is looked for; "" if it has none, or the row is no bundle."""
    if not accepted.key or not isinstance(row, Bundle):
        return ""
    found = (
        member.event.identity for member in members(row) if accepted.accepts_key(member.event) and not member.sent_immediately
    )
    return next(found, "")


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
    """Say which person or rule the settings do not have. One that they had earlier may still have rows."""
    rules = [*(known.name for known in settings.rules), *(monitor.name for monitor in settings.monitors)]
    hints = []
    for kind, name, known in (("person", who, [*settings.people]), ("rule", rule, rules)):
        if name and name not in known and name not in WITHOUT_RULE and not name.startswith("message "):
            hints.append(f"unknown {kind} {name!r}; {did_you_mean(name, known) or 'see dropnote.toml'}")
    return hints


def as_columns(row: Row, event_id: str = "") -> dict[str, str]:
    """Return one row of the list: COLUMNS, the row's ID, and that of its event. A summary is an event, unless `event_id` names
    the one of its events that was looked for.
    """
    when = local_time(row.created_at)
    if isinstance(row, Parked):
        cells = (when, subject_of_row(row), "", "", "", state_of(row), row.why)
    elif isinstance(row, Bundle):
        why = f"{row.why or 'bundle'}, due {local_time(row.due_at)}" if row.due_at else why_of_row(row)
        cells = (when, subject_of_row(row), row.rule, row.person, row.channel, state_of(row), why)
    else:
        cells = (when, subject_of(row.event), row.rule, row.person, row.channel.value, state_of(row), why_of_row(row))
    event = row.event.identity if isinstance(row, Delivery) else row.id if isinstance(row, Bundle) else ""
    return {**dict(zip(COLUMNS, cells, strict=True)), "id": row.id, "event_id": event_id or event}


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
    steps = steps_of(delivery)
    return [{"when": local_time(step.at), "state": step.state.value, "why": why_of_step(step)} for step in steps]


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
