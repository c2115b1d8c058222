"""The pages of the log and of one delivery, and the button that sends it again."""

from urllib.parse import urlencode

from chalice.app import Response

from ...delivery.resend import ResendError, resend
from ...domain.bundle import Bundle
from ...domain.delivery import TRANSITIONS, Delivery, Reason, State
from ...domain.people import Channel
from ...platform.sanitize import sanitize
from ...rules.recipients import shown_rule
from ...store.console.audit import Action
from ...store.rows import Parked
from ...store.rows.versions import UnreadableRow
from .. import pages
from ..times import Times, times_for
from ..web import Area, WebRequest
from .message import chat_of, render_message
from .reading import Cursor, read_page
from .rows import Filter, Row, channel_word, state_of, steps_of, subject_of, subject_of_row, why_of_row, why_of_step

_ID_LENGTH = 32
_MAX_MEMBERS = 50
_FIELDS = ("text", "who", "rule", "channel", "state")
_MAIL_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)

area = Area(__name__)


@area.page("/console/log")
def log_page(request: WebRequest) -> Response:
    """The newest rows that pass the filter, a page of them."""
    console, filters = request.console, {name: request.query.get(name, "").strip() for name in _FIELDS}
    cursor = Cursor.parse(request.query.get("before", ""))
    query = {name: text for name, text in filters.items() if text}
    page = read_page(console.ledger.newest, Filter(**filters), console.now(), cursor)
    times = times_for(request)
    rules = [*(rule.name for rule in console.settings.rules), *(monitor.name for monitor in console.settings.monitors)]
    return pages.html(
        request,
        "log.html",
        here="log",
        filters=filters,
        filtered=any(filters.values()),
        first=cursor is None,
        rows=[row_cells(row, times) for row in page.rows],
        read_until=times.minute(page.read_until),
        older=urlencode({**query, "before": str(page.next)}) if page.next else "",
        people=[*console.settings.people],
        rules=rules,
        channels={channel.value: channel_word(channel.value) for channel in Channel},
        states=[*(state.value for state in State), "parked"],
    )


def row_cells(row: Row, times: Times) -> dict[str, str]:
    """What a line of the log shows."""
    rule, who, channel = ("", "", "") if isinstance(row, Parked) else (row.rule, row.person, str(row.channel))
    return {
        "id": row.id,
        "when": times.second(row.created_at),
        "what": subject_of_row(row),
        "rule": shown_rule(rule),
        "who": who,
        "channel": channel_word(channel),
        "to": f"{channel_word(channel)} to {who}" if who else "",  # tells links of the same subject apart
        "state": state_of(row),
        "why": why_of_row(row),
    }


@area.page("/console/deliveries/{id}")
def delivery_page(request: WebRequest) -> Response:
    """Everything about a row of the log."""
    row = _find(request)
    if row is None:
        return _not_found(request)
    times = times_for(request)
    if not isinstance(row, Delivery):
        return pages.html(request, "row.html", here="log", row=row_cells(row, times), facts=_other_facts(request, row))
    message, problem = render_message(request.console, row)
    return pages.html(
        request,
        "delivery.html",
        here="log",
        row=row_cells(row, times),
        facts=_facts(row, times),
        steps=[(times.second(step.at), step.state.value, why_of_step(step)) for step in steps_of(row)],
        can_resend=State.RETRY in TRANSITIONS[row.state] and row.state is not State.CLAIMED,
        resent="done" in request.query and (row.state, row.reason) == (State.RETRY, Reason.OPERATOR),
        message=message,
        chat=chat_of(request.console, row, message) if message else None,
        no_message=problem,
    )


@area.page("/console/deliveries/{id}/mail")
def delivery_mail(request: WebRequest) -> Response:
    """The HTML of a mail, for a sandboxed frame: it may contain what strangers wrote."""
    row = _find(request)
    message = render_message(request.console, row)[0] if isinstance(row, Delivery) else None
    if message is None or not message.html:
        return _not_found(request)
    return pages.respond(request, message.html, "text/html; charset=utf-8", policy=_MAIL_POLICY)


@area.action("/console/deliveries/{id}/resend")
def resend_delivery(request: WebRequest) -> Response:
    """Make a delivery due now; the sweep sends it within a minute."""
    who, id_ = request.person, request.params["id"]
    try:
        resend(request.console.intake, id_, who)
    except ResendError as error:
        return pages.problem(request, 409, "Not sent again", f"This delivery cannot be sent again: {error}.")
    request.console.record(who, Action.RESEND, id_)
    return pages.redirect(request, f"console/deliveries/{id_}?done=resent")


def _find(request: WebRequest) -> Row | None:
    id_, deliverer = request.params["id"], request.console.deliverer
    if len(id_) != _ID_LENGTH:
        return None
    try:
        return deliverer.ledger.get(id_) or deliverer.ledger.get_parked(id_) or deliverer.deferrer.bundles.get(id_)
    except UnreadableRow:  # a later version wrote it
        return None


def _not_found(request: WebRequest) -> Response:
    return pages.problem(request, 404, "Not found", "The ledger has no such row. Rows are kept for 90 days.")


def _facts(row: Delivery, times: Times) -> list[tuple[str, str]]:
    upload = row.event.upload
    facts = {
        "Event": f"{row.event.kind.value}, {times.second(row.event.at)}",
        "Bucket": upload.bucket if upload else "",
        "Size": f"{upload.size:,} bytes" if upload and upload.size is not None else "",
        "Rule": shown_rule(row.rule),
        "Recipient": row.person,
        "Channel": channel_word(row.channel.value),
        "Attempts": str(row.attempts) if any(step.state is State.CLAIMED for step in steps_of(row)) else "",
        "Instead of": channel_word(row.instead_of),
        "Bundle": row.bundle,
        "Segments": str(row.segments or ""),
        "Provider's id": row.receipt,
        "Due": times.second(row.due_at) if row.due_at else "",
        "Expires": times.minute(row.expires_at),
        "Event id": row.event.identity,
        "Id": row.id,
    }
    return [(label, sanitize(text)) for label, text in facts.items() if text]


def _other_facts(request: WebRequest, row: Bundle | Parked) -> list[tuple[str, str]]:
    if isinstance(row, Parked):
        return [("Payload", sanitize(row.payload.decode(errors="replace"))), ("Id", row.id)]
    members = request.console.deliverer.deferrer.bundles.members(row)
    subjects = sorted(subject_of(member.event) for member in members if not member.sent_immediately)
    more = f" and {len(subjects) - _MAX_MEMBERS} more" if len(subjects) > _MAX_MEMBERS else ""
    return [("Files", str(row.files)), ("Content", ", ".join(subjects[:_MAX_MEMBERS]) + more), ("Id", row.id)]
