"""Sessions: who is signed in, by a signed cookie, and the token that each of their forms needs.

Nothing is stored: the cookie has the session's id, the person and the end. The role is looked up in the settings for each
request, so a deploy without a person ends their session.
Sources: RFC 6265bis (SameSite, the prefix __Secure-); OWASP Cross-Site Request Forgery Prevention Cheat Sheet.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

from ..domain.settings import Role
from ..platform.signing.tokens import InvalidToken, Purpose

if TYPE_CHECKING:
    from .web import WebRequest

CSRF_FIELD = "csrf_token"


class Session(Struct, frozen=True):
    """Somebody who is signed in."""

    id: str
    person: str
    role: Role


def cookie_name(request: "WebRequest") -> str:
    """The cookie's name. Browsers accept the prefix only from HTTPS."""
    return "__Secure-dropnote" if request.secure else "dropnote"


def session_of(request: "WebRequest") -> Session | None:
    """Return the session of a request's cookie; None without a valid one, or if the person may no longer sign in."""
    token = request.cookies.get(cookie_name(request), "")
    access = request.console.access
    if not token or access is None:
        return None
    try:
        id_, person = request.console.signer.read(Purpose.SESSION, token)
    except ValueError:
        return None
    role = access.role_of(person) if person in request.console.settings.people else None
    return Session(id_, person, role) if role else None


def start_session(request: "WebRequest", id_: str, person: str) -> str:
    """Return the Set-Cookie header of a new session.

    Without Path, it is for the folder of the route that sets it: the root of our routes, whatever stage or base path they have.
    """
    access = request.console.access
    if access is None:
        raise LookupError("the console is off")
    token = request.console.signer.issue(Purpose.SESSION, id_, person, lasts=access.session)
    return _cookie(request, token, int(access.session.total_seconds()))


def end_session(request: "WebRequest") -> str:
    """Return the Set-Cookie header that removes the cookie; only from a route at the root."""
    return _cookie(request, "", 0)


def csrf_token(request: "WebRequest") -> str:
    """Return the token for the forms of a page; "" if nobody is signed in."""
    access = request.console.access
    if request.session is None or access is None:
        return ""
    return request.console.signer.issue(Purpose.CSRF, request.session.id, lasts=access.session)


def check_csrf(request: "WebRequest") -> bool:
    """Whether a form came from a page of this session."""
    try:
        claims = request.console.signer.read(Purpose.CSRF, request.form.get(CSRF_FIELD, ""))
    except InvalidToken:
        return False
    return request.session is not None and claims == [request.session.id]


def _cookie(request: "WebRequest", value: str, seconds: int) -> str:
    secure = "; Secure" if request.secure else ""
    return f"{cookie_name(request)}={value}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
