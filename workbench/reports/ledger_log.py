"""The ledger, as a person reads it: lists, one delivery's whole story, and why nothing was sent."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.bundle import Bundle
from chalicelib.domain.delivery import Delivery, summary
from chalicelib.domain.event import Event, Kind, Upload
from chalicelib.domain.settings import Settings
from chalicelib.platform.fields.table import FieldError
from chalicelib.platform.fields.values import span
from chalicelib.platform.sanitize import sanitize
from chalicelib.rules import globs
from chalicelib.rules.index import mismatch_reason
from chalicelib.store.bundles import Bundles, Member
from chalicelib.store.ledger import Ledger
from chalicelib.store.rows import Parked

SHOWN_MEMBERS = 20
SHOWN = timedelta(days=7)  # unless --since says otherwise
COLUMNS = ("when", "what", "rule", "who", "channel", "state", "why")

Row = Delivery | Bundle | Parked
Members = Callable[[Bundle], Iterable[Member]]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are wanted; an empty field wants all."""

    who: str = ""
    rule: str = ""
    channel: str = ""
    state: str = ""
    key: str = ""  # a glob

    def wants(self, row: Row) -> bool:
        """Whether a row has all that is asked for."""
        if isinstance(row, Parked):
            return self.state in ("", "parked") and not (self.who or self.rule or self.channel or self.key)
        if isinstance(row, Bundle):
            state = "waits" if row.due_at else "told"
            asked = ((self.who, row.person), (self.rule, row.rule), (self.channel, row.channel), (self.state, state))
            return all(want in ("", have) for want, have in asked)
        asked = ((self.who, row.person), (self.rule, row.rule), (self.channel, row.channel.value), (self.state, row.state.value))
        return all(want in ("", have) for want, have in asked) and self.wants_key(row.event)

    def wants_key(self, event: Event) -> bool:
        """Whether an event is about an object of the wanted name."""
        return not self.key or (event.upload is not None and bool(globs.compiled(self.key).fullmatch(event.upload.key)))


def moment(text: str, now: datetime) -> datetime:
    """A moment as people write it: "2h" ago, a day, or a day and time (of this machine's zone).

    Raises:
        ValueError: it is none of them.
    """
    try:
        return now - span(text)
    except FieldError:
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:
            raise ValueError(f'{text!r} is no moment: write "2h", "2026-11-23" or "2026-11-23T10:00"') from None


def rows(ledger: Ledger, members: Members, wanted: Filter, since: datetime, until: datetime) -> Iterator[Row]:
    """The rows that are wanted, newest first; where a name is wanted, also the bundle that has it."""
    for row in ledger.newest(since, until):
        if wanted.wants(row) and (not isinstance(row, Bundle) or not wanted.key or _has(row, members, wanted)):
            yield row


def _has(bundle: Bundle, members: Members, wanted: Filter) -> bool:
    return any(wanted.wants_key(member.event) and not member.told for member in members(bundle))


def changes(read: Callable[[], list[Row]], wait: Callable[[], object]) -> Iterator[Row]:
    """Every row that is new or has changed since the last look, oldest first, for ever. `read` gives newest first."""
    seen: dict[str, Row] = {}
    while True:
        for row in reversed(read()):
            if seen.get(row.id) != row:
                seen[row.id] = row
                yield row
        wait()


def told(row: Row) -> dict[str, str]:
    """One row for a list: COLUMNS, and the id."""
    when = local(row.created_at)
    if isinstance(row, Parked):
        state = "redriven" if row.redriven_at else "parked"
        values = (when, f"a payload of {row.source}", "", "", "", state, row.why)
        return {**dict(zip(COLUMNS, values, strict=True)), "id": row.id}
    if isinstance(row, Bundle):
        state = "waits" if row.due_at else "told"
        why = f"{row.why or 'bundle'}, due {local(row.due_at)}" if row.due_at else f"{row.files} in {row.why or 'one message'}"
        values = (when, f"a bundle{' of ' * bool(row.by)}{sanitize(row.by)}", row.rule, row.person, row.channel, state, why)
        return {**dict(zip(COLUMNS, values, strict=True)), "id": row.id}
    return {
        "when": when,
        "what": what_of(row.event),
        "rule": row.rule,
        "who": row.person,
        "channel": row.channel.value,
        "state": row.state.value,
        "why": _why(row.reason.value, row.detail),
        "id": row.id,
    }


def what_of(event: Event) -> str:
    """What an event is about: the object's name, how many of them, or the sentence of one that is about none."""
    if event.summary:
        return f"{event.summary.files} files"
    if event.digest:
        return f"a digest of {sum(part.summary.files + part.summary.others for part in event.digest.parts)} events"
    return sanitize(event.upload.key if event.upload else event.detail or event.kind.value)


def find(ledger: Ledger, bundles: Bundles, prefix: str, now: datetime) -> list[Row]:
    """The rows whose id begins like that: of any age when it is a whole id, else of the last week."""
    if len(prefix) == 32:
        return [row for row in (ledger.get(prefix), ledger.parked(prefix), bundles.get(prefix)) if row]
    return [row for row in ledger.newest(now - SHOWN, now) if row.id.startswith(prefix)]


def story(row: Delivery) -> list[dict[str, str]]:
    """Every arrow it followed, in order: when, to which state, why."""
    first = row.steps[0].state.value if row.steps else ""
    born = {"when": local(row.created_at), "state": "claimed" if first != "claimed" else "held", "why": "first seen"}
    if not row.steps and row.state.value != "claimed":
        born |= {"state": row.state.value, "why": _why(row.reason.value, row.detail)}
    return [
        born,
        *({"when": local(step.at), "state": step.state.value, "why": _why(step.reason.value, step.detail)} for step in row.steps),
    ]


def whole(row: Row, members: Members) -> dict[str, Any]:
    """All there is to say of one row."""
    if isinstance(row, Bundle):
        kept = sorted(what_of(member.event) for member in members(row) if not member.told)
        return {**told(row), "members": len(kept), "first": ", ".join(kept[:SHOWN_MEMBERS])}
    if isinstance(row, Parked):
        payload = sanitize(row.payload.decode(errors="replace"))
        return {**told(row), "payload": payload}
    upload = row.event.upload
    return {
        **told(row),
        **{name: value for name, value in summary(row).items() if name in ("attempts", "receipt")},
        "event": row.event.kind.value,
        "at": local(row.event.at),
        "bucket": upload.bucket if upload else "",
        "size": upload.size if upload else None,
        "instead_of": row.instead_of,
        "bundle": row.bundle,
        "due": local(row.due_at) if row.due_at else "",
        "expires": local(row.expires_at),
        "story": story(row),
    }


def why_nothing(settings: Settings, key: str) -> list[str]:
    """Why no rule would tell of an object of that name, a line for each rule; for one that would, what else it may be."""
    lines = []
    for rule in settings.rules:
        event = Event(Kind.UPLOAD, "", datetime.now(UTC), upload=Upload(rule.bucket, key))
        why = mismatch_reason(rule, event)
        lines.append(f"rule {rule.name}: {why or 'its name is wanted; no event of it came, or its size is not'}")
    return lines


def unwanted(settings: Settings, upload: Upload) -> list[str]:
    """Why nobody will hear of an upload, a line for each rule; [] when somebody will."""
    event = Event(Kind.UPLOAD, "", datetime.now(UTC), upload=upload)
    reasons = {rule.name: mismatch_reason(rule, event) for rule in settings.rules}
    return [] if "" in reasons.values() else [f"rule {name}: {why}" for name, why in reasons.items()]


def _why(reason: str, detail: str) -> str:
    return f"{reason}: {detail}" if detail else reason


def local(moment_: datetime) -> str:
    """A moment on this machine's clock."""
    return f"{moment_.astimezone():%Y-%m-%d %H:%M:%S %Z}"
