"""The pages behind the links in mails: unsubscribe, acknowledge, mute. Each shows one button, whose POST does it.

Whoever has the link may use it: it was sent to one person, says what it is for, and expires. Nobody signs in, and nothing is set.
Sources: RFC 8058 (one-click unsubscribe: a POST without cookies, which no redirect may answer); RFC 2369.
"""

from datetime import timedelta

from chalice.app import Response

from ..delivery.feedback.actions import NotDone, acknowledge_incident, mute_rule, unmute_rule
from ..delivery.feedback.mail_links import signer_of
from ..delivery.feedback.opt_outs import key_of, opt_in, opt_out
from ..domain.people import Channel, Recipient
from ..platform.signing.tokens import ExpiredToken, InvalidToken, Purpose
from . import pages
from .web import FORM, Area, WebRequest

MULTIPART = "multipart/form-data"  # a mail program may send either (RFC 8058, section 3.1)
_MUTE = timedelta(hours=2)

area = Area(__name__)


@area.open("/unsubscribe/{token}", "GET", "POST", content_types=(FORM, MULTIPART))
def unsubscribe(request: WebRequest) -> Response:
    """Stop all mails to one address, or start them again. A mail program's one-click POST comes here too."""
    claims = _claims(request, Purpose.UNSUBSCRIBE)
    if isinstance(claims, Response):
        return claims
    name, key = claims
    deliverer, person = request.console.deliverer, request.console.settings.people.get(name)
    recipient = Recipient(Channel.EMAIL, person) if person else None
    if recipient is None or key_of(deliverer, recipient) != key:
        return pages.notice(request, "Nothing to do", "This address receives no mails from here any more.")
    bot = request.console.settings.bot.name
    if request.method == "POST" and request.form.get("again"):
        opt_in(deliverer, recipient, "used the link in a mail")
        return pages.notice(request, "Welcome back", f"You receive mails from {bot} again.")
    if request.method == "POST":
        opt_out(deliverer, recipient, "unsubscribed by the link in a mail", request.time_left)
    elif key not in deliverer.control.fresh().suppressed:
        sentence = f"You will receive no more mails from {bot}. Texts are not affected: reply STOP to one to end those."
        return pages.confirmation(request, "Unsubscribe?", [sentence], "Unsubscribe")
    gone = f"You receive no more mails from {bot}."
    return pages.confirmation(request, "Unsubscribed", [gone], "Subscribe again", {"again": "yes"})


@area.open("/acknowledge/{token}", "GET", "POST")
def acknowledge(request: WebRequest) -> Response:
    """Acknowledge one incident."""
    claims = _claims(request, Purpose.ACKNOWLEDGE)
    if isinstance(claims, Response):
        return claims
    name, incident = claims
    if request.method == "GET":
        sentence = f"{name}, nobody is reminded of incident {incident} any more, until it gets worse."
        return pages.confirmation(request, "Acknowledge the incident?", [sentence], "Acknowledge")
    try:
        done = acknowledge_incident(request.console.deliverer, request.console.incidents, name, incident)
    except NotDone as error:
        return pages.notice(request, "Nothing to acknowledge", str(error))
    return pages.notice(request, "Acknowledged", done)


@area.open("/mute/{token}", "GET", "POST")
def mute(request: WebRequest) -> Response:
    """Silence one rule for two hours, or end that."""
    claims = _claims(request, Purpose.MUTE)
    if isinstance(claims, Response):
        return claims
    name, rule = claims
    if request.method == "GET":
        sentence = f"{rule} notifies nobody for 2 hours. Until then, its messages are only in the log."
        return pages.confirmation(request, f"Mute {rule}?", [sentence], "Mute for 2 hours")
    try:
        if request.form.get("end"):
            unmute_rule(request.console.deliverer, name, rule)
            return pages.notice(request, "No longer muted", f"{rule} notifies again.")
        mute_rule(request.console.deliverer, name, rule, _MUTE, "by the link in a mail")
    except NotDone as error:
        return pages.notice(request, "Not muted", str(error))
    return pages.confirmation(request, "Muted", [f"{rule} notifies nobody for 2 hours."], "Notify again", {"end": "yes"})


def _claims(request: WebRequest, purpose: Purpose) -> list[str] | Response:
    """The two claims of the link's token, or the page that says why it cannot be used."""
    signer = signer_of(request.console.deliverer.control.now(), request.console.now)
    try:
        claims = signer.read(purpose, request.params["token"]) if signer else []
    except ExpiredToken:
        return pages.problem(request, 410, "This link is too old", "Use the one in a newer mail.")
    except InvalidToken:
        claims = []
    if len(claims) != 2 or claims[0] not in request.console.settings.people:
        return pages.problem(request, 404, "This link is not valid", "Open it from the mail itself: it may have been cut off.")
    return claims
