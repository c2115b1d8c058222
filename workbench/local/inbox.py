"""The local inbox page: texts as on a phone, mails as rendered, messages to webhooks as chat services show them. It updates live,
and makes no outside requests.

Messages contain untrusted names, such as object keys. Templates autoescape. A mail's HTML is never part of the page: it is a
separate document in a frame without scripts, origin, forms or outside requests.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, render_template, request, send_from_directory
from jinja2 import FileSystemLoader

from chalicelib.console.assets import STATIC
from chalicelib.console.pages import TEMPLATES
from chalicelib.platform.sms_text import count_segments

from .mailbox import Mail, Mailbox
from .twilio.double import TwilioDouble
from .twilio.store import Row
from .twilio.whatsapp import PREFIX as WHATSAPP
from .webhooks.double import WebhookDouble
from .webhooks.views import view_of

_PAGES = Path(__file__).resolve().parent / "pages"
MAX_SHOWN = 50  # texts and mails on the page; the JSON has all unless the request has a limit

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {uploads}; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_MAIL_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """The bucket and credentials in the upload commands of the empty page."""

    endpoint: str
    bucket: str = "dropnote-uploads"
    access_key: str = "test"
    secret_key: str = "test"
    region: str = "us-east-1"

    def commands(self) -> list[tuple[str, str]]:
        """Labels and upload commands, the shortest first. The user replaces `FILE`."""
        keys = f"AWS_ACCESS_KEY_ID={self.access_key} AWS_SECRET_ACCESS_KEY={self.secret_key}"
        remote = (
            f":s3,provider=Other,endpoint='{self.endpoint}',region={self.region},"
            f"access_key_id={self.access_key},secret_access_key={self.secret_key}:{self.bucket}/FILE"
        )
        return [
            ("dropnote", ".venv/bin/dropnote put FILE"),
            ("rclone", f'.venv/bin/rclone copyto FILE "{remote}"'),
            (
                "the AWS CLI",
                f"{keys} AWS_DEFAULT_REGION={self.region} aws --endpoint-url {self.endpoint} s3 cp FILE s3://{self.bucket}/",
            ),
        ]


@dataclass(slots=True)
class _Inbox:
    """The messages that the user has not cleared."""

    twilio: TwilioDouble
    mailbox: Mailbox
    webhooks: WebhookDouble
    people: Mapping[str, str]
    _cleared: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def as_dict(self, limit: int | None = None) -> dict[str, object]:
        texts = [row for row in self.twilio.messages() if row.sid not in self._cleared]
        reading = self.mailbox.read()
        mails = [mail for mail in reading.mails if mail.id not in self._cleared]
        chats = [post for post in self.webhooks.posts() if post.id not in self._cleared]
        return {
            "texts": [_text(row, self.people) for row in texts[:limit]],
            "mails": [_mail(mail, self.people) for mail in mails[:limit]],
            "chats": [view_of(post) for post in chats[:limit]],
            "counts": {"texts": len(texts), "mails": len(mails), "chats": len(chats)},
            "trouble": reading.problem,
        }

    def mail(self, id_: str) -> Mail | None:
        return next((mail for mail in self.mailbox.read().mails if mail.id == id_), None)

    def clear(self) -> None:
        """Hide all current messages. The doubles and MiniStack keep them, as Twilio and SES would."""
        hidden = {post.id for post in self.webhooks.posts()}
        hidden |= {row.sid for row in self.twilio.messages()} | {mail.id for mail in self.mailbox.read().mails}
        with self._lock:
            self._cleared = self._cleared | hidden


def create_inbox(
    twilio: TwilioDouble,
    ministack_endpoint: str,
    *,
    people: Mapping[str, str] | None = None,
    uploads: UploadTarget | None = None,
    webhooks: WebhookDouble | None = None,
) -> Blueprint:
    """Create the inbox: `/` for people, `/inbox.json` for programs.

    `people` maps an address or number to a person's name. `GET /inbox.json[?limit=N]` returns, newest first:
        {"texts": [{"id", "channel", "person", "from", "to", "to_shown", "body", "encoding", "segments", "units",
                    "status", "error_code", "at"}, …],
         "mails": [{"id", "person", "from", "to": […], "subject", "text", "html", "html_url",
                    "headers": [[name, value], …], "at"}, …],
         "chats": [{"id", "service", "title", "tone", "text": […], "facts": [[name, value, inline], …],
                    "lists": [[heading, […]], …], "link": [label, url], "footer", "json", "at"}, …],
         "counts": {"texts": n, "mails": n, "chats": n},   all of them, also those beyond the limit
         "trouble": ""}                        or one sentence if MiniStack does not respond
    Times are ISO 8601 in UTC. The ETag identifies an unchanged inbox (304). `DELETE /inbox.json` clears it (204).
    """
    people = people if people is not None else {}
    inbox = _Inbox(twilio, Mailbox(ministack_endpoint), webhooks or WebhookDouble(), people)
    commands = (uploads or UploadTarget(ministack_endpoint)).commands()
    policy = _PAGE_POLICY.format(uploads=ministack_endpoint)  # the page's script uploads to the bucket itself
    blueprint = Blueprint(
        "inbox",
        __name__,
        static_folder="pages/static",
        static_url_path="/inbox/static",
    )
    blueprint.jinja_loader = FileSystemLoader([_PAGES, TEMPLATES])  # the console has chats.html

    def shared(filename: str) -> Response:
        """What the console's pages use, too."""
        return send_from_directory(STATIC, filename)

    def page() -> Response:
        html = render_template("inbox.html", commands=commands, **inbox.as_dict(MAX_SHOWN))
        return _secure(Response(html), policy)

    def cards() -> Response:
        """The cards that the page's script inserts after a change."""
        html = render_template("cards.html", commands=commands, **inbox.as_dict(MAX_SHOWN))
        return _secure(Response(html), policy)

    def listing() -> Response:
        if request.method == "DELETE":
            return _clear(inbox)
        body = json.dumps(inbox.as_dict(request.args.get("limit", type=int)))
        response = _secure(Response(body, mimetype="application/json"), policy)
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(hashlib.sha256(body.encode()).hexdigest()[:32])
        response.make_conditional(request)
        return response

    def mail_html(id_: str) -> Response:
        mail = inbox.mail(id_)
        if mail is None or not mail.html:
            abort(404)
        return _secure(Response(mail.html, mimetype="text/html"), _MAIL_POLICY)

    blueprint.add_url_rule("/", "page", page)
    blueprint.add_url_rule("/inbox/shared/<filename>", "shared", shared)
    blueprint.add_url_rule("/inbox/cards", "cards", cards)
    blueprint.add_url_rule("/inbox.json", "listing", listing, methods=["GET", "DELETE"])
    blueprint.add_url_rule("/inbox/mails/<id_>.html", "mail_html", mail_html)
    return blueprint


def mask(number: str) -> str:
    """The phone number with only its last four digits readable: "+•••••••3210"."""
    plus = "+" if number.startswith("+") else ""
    digits = number.removeprefix("+")
    return plus + "•" * max(len(digits) - 4, 0) + digits[-4:]


def _text(row: Row, people: Mapping[str, str]) -> dict[str, object]:
    length, number = count_segments(row.body), row.to.removeprefix(WHATSAPP)
    return {
        "id": row.sid,
        "channel": "whatsapp" if row.to.startswith(WHATSAPP) else "sms",
        "person": people.get(number, ""),
        "from": row.from_.removeprefix(WHATSAPP),
        "to": number,
        "to_shown": mask(number),
        "body": row.body,
        "encoding": str(length.encoding),
        "segments": length.segments,
        "units": length.units,
        "status": row.status,
        "error_code": row.error_code,
        "at": row.date_created.isoformat(),
    }


def _mail(mail: Mail, people: Mapping[str, str]) -> dict[str, object]:
    return {
        "id": mail.id,
        "person": ", ".join(people[address] for address in mail.to if address in people),
        "from": mail.from_,
        "to": list(mail.to),
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
        "html_url": f"/inbox/mails/{mail.id}.html" if mail.html else "",
        "headers": [list(header) for header in mail.headers],
        "at": mail.at.isoformat(),
    }


def _clear(inbox: _Inbox) -> Response:
    """Clear the inbox, unless the request is from another site's page: browsers always send its Origin."""
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        abort(403)
    inbox.clear()
    return Response(status=204)


def _secure(response: Response, policy: str) -> Response:
    response.headers["Content-Security-Policy"] = policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
