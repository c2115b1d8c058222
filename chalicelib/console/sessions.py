"""Sessions: who is signed in, by a signed cookie, and the token that each of their forms needs.

Nothing is stored: the cookie has the session's id, the person and the end. The role is looked up in the settings for each
request, so a deploy without a person ends their session.
Sources: RFC 6265bis (SameSite, the prefix __Secure-); OWASP Cross-Site Request Forgery Prevention Cheat Sheet.
"""

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from msgspec import Struct

from ..domain.settings import Role
from ..platform.secrets import MissingSecret
from ..platform.signing.tokens import InvalidToken, Purpose
from ..store.console.sign_ins import LINK_LIFE

if TYPE_CHECKING:
    from .web import WebRequest

CSRF_FIELD = "csrf_token"
_PLAIN = re.compile(r"[\w-]+", re.ASCII)  # ids and tokens, the only parts of our paths that differ
_MAX_RETURN = 500  # characters of an address


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


def remember_page(request: "WebRequest") -> dict[str, str]:
    """The headers of the sign-in page that remember, in this browser, which page was asked for; {} if it cannot be shown later.

    The cookie is for the whole host, because the way to our root is unknown here. It is signed: only our own pages write it.
    """
    if request.method != "GET" or request.headers.get("sec-fetch-dest", "document") != "document":
        return {}
    if not all(_PLAIN.fullmatch(text) for text in request.params.values()):
        return {}
    path = request.route.lstrip("/").format_map(request.params)
    query = {name: text for name, text in request.query.items() if name != "part"}  # a part of a page: the script asks for it
    address = f"{path}?{urlencode(query)}" if query else path
    try:
        token = request.console.signer.issue(Purpose.RETURN, address[:_MAX_RETURN], lasts=LINK_LIFE)
    except MissingSecret:  # the sign-in page is shown nevertheless
        return {}
    return {"Set-Cookie": _cookie(request, token, int(LINK_LIFE.total_seconds()), _return_name(request), "; Path=/")}


def remembered_page(request: "WebRequest") -> str:
    """The page of ours that this browser asked for before it signed in, relative to the root of the routes; "" for none."""
    try:
        (address,) = request.console.signer.read(Purpose.RETURN, request.cookies.get(_return_name(request), ""))
    except ValueError:
        return ""
    return address


def forget_page(request: "WebRequest") -> str:
    """Return the Set-Cookie header that forgets the page."""
    return _cookie(request, "", 0, _return_name(request), "; Path=/")


def _return_name(request: "WebRequest") -> str:
    return f"{cookie_name(request)}-return"


def _cookie(request: "WebRequest", value: str, seconds: int, name: str = "", path: str = "") -> str:
    secure = "; Secure" if request.secure else ""
    return f"{name or cookie_name(request)}={value}; Max-Age={seconds}{path}; HttpOnly; SameSite=Lax{secure}"
