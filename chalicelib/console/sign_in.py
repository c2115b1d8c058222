"""Signing in with a link that is valid once, and signing out.

`dropnote login` makes the link, or the sign-in page mails it.

Opening it shows a page with a button: mail scanners follow links. The button's POST uses it up.
"""

import secrets
from datetime import timedelta
from urllib.parse import quote

from chalice.app import Response
from msgspec.structs import replace

from ..domain.event import Event, Kind
from ..domain.people import Channel, Person, Recipient
from ..domain.settings import Role
from ..platform import log
from ..platform.signing.tokens import ExpiredToken, InvalidToken, Purpose
from ..rules.recipients import message_notice
from ..store.console.audit import Action
from ..store.console.sign_ins import DAY, LINK_LIFE
from . import pages
from .parts import Console
from .sessions import end_session, forget_page, remembered_page, start_session
from .web import Area, WebRequest

MAX_ATTEMPTS = 10  # of one client in ten minutes
MAX_MAILS, MAX_MAILS_A_DAY = 3, 10  # to one person, whoever asks for them; the first in ten minutes
ANSWER_AFTER = timedelta(seconds=1.5)  # after a request for a mail, whether or not one is sent: that takes some tenths
_AGAIN = "Ask for another one: dropnote login NAME."
_MINUTES = LINK_LIFE.seconds // 60

area = Area(__name__)


def sign_in_link(console: Console, person: str, base: str, by: str) -> str:
    """Make a link for a person; `base` is the URL of the routes. Recorded in the audit log as made by `by`.

    Raises:
        LookupError: the settings do not let this person sign in.
    """
    if console.access is None or console.access.role_of(person) is None:
        raise LookupError(f"{person!r} may not sign in: add the name to operators or readers in [console]")
    id_ = secrets.token_hex(16)
    token = console.signer.issue(Purpose.SIGN_IN, id_, person, lasts=LINK_LIFE)
    console.sign_ins.add(id_, person, console.now())
    console.record(by, Action.LINK, person)
    return f"{base.rstrip('/')}/sign-in?token={quote(token)}"


@area.open("/sign-in")
def sign_in(request: WebRequest) -> Response:
    """Without a token, how to get a link; with one, the button that uses it."""
    token = request.query.get("token", "")
    if not token:
        return pages.sign_in(request)
    try:
        _, person = request.console.signer.read(Purpose.SIGN_IN, token)
    except ValueError as error:
        return _invalid(request, error)
    sentences = [f"You sign in as {person}.", *(["Then you get to the page you asked for."] if remembered_page(request) else [])]
    return pages.confirmation(request, "Sign in", sentences, "Sign in", {"token": token})


@area.open("/sign-in", "POST")
def use_link(request: WebRequest) -> Response:
    """Use up a link and start a session."""
    console = request.console
    if console.sign_ins.count_attempt(request.client, console.now()) > MAX_ATTEMPTS:
        log.warning("sign-in-limited")
        return pages.problem(request, 429, "Too many attempts", "Wait ten minutes, then try again.")
    try:
        id_, person = console.signer.read(Purpose.SIGN_IN, request.form.get("token", ""))
    except ValueError as error:
        return _invalid(request, error)
    if not console.sign_ins.use(id_, person, console.now()):
        return pages.problem(request, 403, "Link already used", f"Each link signs in once. {_AGAIN}")
    if console.access is None or console.access.role_of(person) is None:
        return pages.problem(request, 403, "Not allowed", "The settings no longer let you sign in.")
    console.record(person, Action.SIGN_IN)
    cookie = start_session(request, secrets.token_hex(16), person)
    asked_for = remembered_page(request)
    return pages.redirect(
        request, asked_for or "console", {"Set-Cookie": [cookie, forget_page(request)] if asked_for else cookie}
    )


@area.open("/sign-in/mail", "POST")
def mail_link(request: WebRequest) -> Response:
    """Mail a link to a person of the settings. The page and its time say nothing about who is in them."""
    console, asked_at = request.console, request.console.now()
    if console.sign_ins.count_attempt(f"mail {request.client}", asked_at) > MAX_ATTEMPTS:
        log.warning("sign-in-limited")
        return pages.problem(request, 429, "Too many attempts", "Wait ten minutes, then try again.")
    if person := _person_of(console, request.form.get("who", "")):
        _mail_link(request, person)
    console.sleep(max(0.0, (asked_at + ANSWER_AFTER - console.now()).total_seconds()))
    sentences = (
        "If this name or address may sign in here, a mail with a link is on its way.",
        f"The link works once, for {_MINUTES} minutes. Open it in this browser.",
    )
    return pages.notice(request, "Look into your mail", *sentences)


@area.action("/sign-out", Role.READER)
def sign_out(request: WebRequest) -> Response:
    """End the session in this browser."""
    if request.session:
        request.console.record(request.session.person, Action.SIGN_OUT)
    return pages.redirect(request, "sign-in", {"Set-Cookie": end_session(request)})


def _person_of(console: Console, who: str) -> Person | None:
    """The person of a name or a mail address who may sign in and has an address; None for all others."""
    name, access = who.strip().casefold(), console.access
    found = (person for person in console.settings.people.values() if name in (person.name.casefold(), person.email.casefold()))
    person = next((person for person in found if person.email and access and access.role_of(person.name)), None)
    return person if person and name and console.mails_links else None


def _mail_link(request: WebRequest, person: Person) -> None:
    """Mail a link through the ledger, whose rows do not have it: if the mail cannot be sent at once, it asks to try again."""
    console = request.console
    deliverer, now, links = console.deliverer, console.now(), console.deliverer.control.now().links
    if links is None or _asks_too_often(console, person):
        log.info("sign-in-mail-limited", person=person.name)
        return
    url = sign_in_link(console, person.name, links.url, "the sign-in page")
    words = {
        "title": f"Sign in to {console.settings.bot.name}",
        "text": f"Somebody asked for a link that signs you in to the console, once, within {_MINUTES} minutes. "
        "If it was not you, ignore this mail. If this mail came too late to have a link, ask for another one.",
    }
    event = Event(Kind.MESSAGE, secrets.token_hex(16), now, detail="A link to sign in", urgent=True, words=words)
    notice = message_notice(event, "message", Recipient(Channel.EMAIL, person))
    deliverer.deliver(replace(notice, expires=LINK_LIFE, fallback=None, sign_in=url), request.time_left)


def _asks_too_often(console: Console, person: Person) -> bool:
    """Whether a mail would be one too many: anybody can ask for one in this person's name."""
    count, asked, now = console.sign_ins.count_attempt, f"mail to {person.name}", console.now()
    return count(asked, now) > MAX_MAILS or count(f"{asked} today", now, DAY) > MAX_MAILS_A_DAY


def _invalid(request: WebRequest, error: ValueError) -> Response:
    if isinstance(error, ExpiredToken):
        return pages.problem(request, 403, "Link expired", f"A link is valid for 15 minutes. {_AGAIN}")
    reason = "It is incomplete, or from another stage." if isinstance(error, InvalidToken) else "It is not a sign-in link."
    return pages.problem(request, 403, "Invalid link", f"{reason} {_AGAIN}")
