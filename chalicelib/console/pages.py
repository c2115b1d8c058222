"""HTML responses with their security headers, and the page with one button that links in messages lead to.

Mail scanners and previews of chats open every link: opening a page therefore changes nothing. `confirmation` shows one button,
whose POST does it.
Sources: W3C, "Content Security Policy Level 3"; RFC 6797 (HSTS); OWASP HTTP Headers Cheat Sheet.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalice.app import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..rendering.templates import TemplateCache
from .sessions import csrf_token, remember_page
from .times import times_for

if TYPE_CHECKING:
    from .web import WebRequest

TEMPLATES = Path(__file__).resolve().parent / "templates"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HSTS = "max-age=31536000"


def page_policy(**more: str) -> str:
    """PAGE_POLICY with one more source for a directive: page_policy(connect_src="https://…")."""
    policy = PAGE_POLICY
    for name, source in more.items():
        directive = f"{name.replace('_', '-')} 'self'"
        policy = policy.replace(directive, f"{directive} {source}")
    return policy


def html(
    request: "WebRequest",
    template: str,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    policy: str = PAGE_POLICY,
    **values: Any,
) -> Response:
    """Render a page of console/templates/. `values` are the template's variables; every text in them is escaped."""
    variables = {
        "root": request.root,
        "session": request.session,
        "csrf": csrf_token(request),
        "bot": request.console.settings.bot.name,
        "stage": request.console.stage,
        "zone": times_for(request).zone,
    }
    text = _pages().get_template(template).render(variables | values)
    return respond(request, text, "text/html; charset=utf-8", status, policy=policy, headers=headers or {})


def confirmation(
    request: "WebRequest", title: str, sentences: Sequence[str], button: str, fields: Mapping[str, str] | None = None
) -> Response:
    """A page with one button, which sends `fields` by POST to the address of this page."""
    return html(request, "confirmation.html", title=title, sentences=sentences, button=button, fields=fields or {})


def notice(request: "WebRequest", title: str, *sentences: str, status: int = 200) -> Response:
    """A page that only says something."""
    return html(request, "confirmation.html", status, title=title, sentences=sentences, button="", fields={})


def sign_in(request: "WebRequest", status: int = 200) -> Response:
    """What a stranger sees: how to sign in, and nothing else. 401: instead of the page they asked for, which follows then."""
    headers = remember_page(request) if status == 401 else {}
    return html(request, "sign_in.html", status, headers=headers, returns=bool(headers), mails=request.console.mails_links)


def problem(request: "WebRequest", status: int, title: str, *sentences: str) -> Response:
    """A page that says what went wrong and what to do, also if the key for tokens cannot be read."""
    home = request.session is not None  # somebody who has more pages to go to
    text = _pages().get_template("problem.html").render(root=request.root, title=title, sentences=sentences, home=home)
    return respond(request, text, "text/html; charset=utf-8", status)


def redirect(request: "WebRequest", to: str, headers: Mapping[str, str | list[str]] | None = None) -> Response:
    """After a POST: show a page. `to` is relative to the root of the routes, and ours: never a text of the request."""
    return respond(request, "", "text/plain", 303, headers={"Location": request.root + to, **(headers or {})})


def respond(
    request: "WebRequest",
    body: str,
    content_type: str,
    status: int = 200,
    *,
    policy: str = PAGE_POLICY,
    headers: Mapping[str, str | list[str]] | None = None,
) -> Response:
    """A response with the headers that every page of ours has. `headers` replaces some."""
    secure = {"Strict-Transport-Security": _HSTS} if request.secure else {}
    all_headers: dict[str, str | list[str]] = {
        "Content-Type": content_type,
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",  # with no-referrer, browsers send `Origin: null` from our own forms: see is_cross_site
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex",
        **secure,
        **(headers or {}),
    }
    return Response(body, headers=all_headers, status_code=status)


@cache
def _pages() -> Environment:
    return environment()


def environment(compiled: TemplateCache | None = None) -> Environment:
    """Create the Jinja environment of the pages. `compiled`: where set-up stores them compiled, as the messages' templates."""
    return Environment(
        bytecode_cache=compiled or TemplateCache(),
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
