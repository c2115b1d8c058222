"""Routes of the console: what a request is, and the three kinds of route that pages are made of.

    area = Area(__name__)

    @area.page("/log")                      signed in; GET, changes nothing
    @area.action("/deliveries/{id}/resend") signed in as an operator; POST with the CSRF token of the session
    @area.open("/unsubscribe/{token}", "GET", "POST")   for everybody: the view itself checks what the request proves
    def view(request: WebRequest) -> Response: ...

A view finds path parameters in `request.params`, fields in `request.query` and `request.form`, and the bot in `request.console`.
Register the area in routes.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chalice.app import Blueprint, Chalice, Response

from ..domain.settings import Role
from ..platform import log
from ..platform.secrets import MissingSecret
from . import pages
from .parts import Console
from .sessions import Session, check_csrf, session_of

FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 50
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")

Provide = Callable[[], Console]


def _a_minute() -> timedelta:
    return timedelta(minutes=1)


@dataclass(frozen=True)
class WebRequest:
    """One request. All of it is untrusted, except `console` and `session`."""

    console: Console
    method: str
    route: str  # as declared: "/deliveries/{id}"
    params: Mapping[str, str] = field(default_factory=dict)  # of the path
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)  # case-insensitive
    client: str = ""  # the IP address that API Gateway saw
    session: Session | None = None
    time_left: Callable[[], timedelta] = _a_minute

    @property
    def root(self) -> str:
        """The relative way from this page to the root of the routes. A stage and a domain may add to the path."""
        return "../" * (self.route.count("/") - 1) or "./"

    @property
    def secure(self) -> bool:
        """Whether the browser uses HTTPS: always, except on this machine."""
        host = self.headers.get("host", "")
        return not host.lower().startswith(_LOCAL_HOSTS) or self.headers.get("x-forwarded-proto", "") == "https"

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form; of a repeated one, the last. Malformed text has none."""
        try:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
        except ValueError:  # also UnicodeDecodeError
            return {}

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies."""
        try:
            return {name: morsel.value for name, morsel in SimpleCookie(self.headers.get("cookie", "")).items()}
        except CookieError:
            return {}

    @property
    def person(self) -> str:
        """Who is signed in; "" if nobody is."""
        return self.session.person if self.session else ""

    def is_cross_site(self) -> bool:
        """Whether the browser says that another site's page sent this request.

        Browsers before 2021 (Safari before 2023), and any browser on plain HTTP, send no Sec-Fetch-Site. Their Origin is ours
        only because of the pages' Referrer-Policy (pages.py); "null" comes from a sandboxed page or after a redirect.
        Source: W3C, "Fetch Metadata Request Headers"; Fetch Standard, "Append a request `Origin` header".
        """
        if site := self.headers.get("sec-fetch-site", ""):
            return site not in ("same-origin", "none")
        origin = self.headers.get("origin", "")
        return bool(origin) and urlsplit(origin).netloc != self.headers.get("host", "")


View = Callable[[WebRequest], Response]


@dataclass(frozen=True)
class _Route:
    path: str
    methods: tuple[str, ...]
    content_types: tuple[str, ...]  # of a POST
    view: View
    run: Callable[[View, WebRequest], Response]


class Area:
    """Routes that belong together: a Chalice blueprint for each app, whose views get a WebRequest."""

    def __init__(self, import_name: str) -> None:
        self._import_name = import_name
        self._routes: list[_Route] = []

    def register(self, app: Chalice, provide: Provide) -> None:
        """Add the routes to the app. `provide` returns the console when the first request comes."""
        blueprint = Blueprint(self._import_name)  # one for each app: Chalice empties it
        for route in self._routes:
            _bind(blueprint, route, provide)
        app.register_blueprint(blueprint)

    def page(self, path: str, role: Role = Role.READER) -> Callable[[View], View]:
        """A page for people who are signed in. It changes nothing."""
        return self._route(path, ("GET",), lambda view, request: _signed_in(view, request, role))

    def action(self, path: str, role: Role = Role.OPERATOR) -> Callable[[View], View]:
        """A change by somebody who is signed in, sent by a form with `csrf_token`."""
        return self._route(path, ("POST",), lambda view, request: _signed_in(_with_csrf(view), request, role))

    def open(self, path: str, *methods: str, content_types: Sequence[str] = (FORM,)) -> Callable[[View], View]:
        """A route for everybody: the view itself checks what the request proves. GET must not change anything.

        `content_types` are those of a POST.
        """
        return self._route(path, methods or ("GET",), lambda view, request: view(request), content_types)

    def _route(
        self,
        path: str,
        methods: tuple[str, ...],
        run: Callable[[View, WebRequest], Response],
        content_types: Sequence[str] = (FORM,),
    ) -> Callable[[View], View]:
        def add(view: View) -> View:
            self._routes.append(_Route(path, methods, tuple(content_types), view, run))
            return view

        return add


def _bind(blueprint: Blueprint, route: _Route, provide: Provide) -> None:
    def handle(**params: str) -> Response:
        request = _request(blueprint, route.path, params, provide())
        return _respond(route.view, request, route.run)

    handle.__name__ = route.view.__name__
    for method in route.methods:  # one by one: a GET has no content type, which Chalice takes for JSON
        types = list(route.content_types) if method == "POST" else ["application/json"]
        blueprint.route(route.path, methods=[method], content_types=types)(handle)


def _request(blueprint: Blueprint, route: str, params: Mapping[str, str], console: Console) -> WebRequest:
    request: Any = blueprint.current_request
    context: Any = blueprint.lambda_context
    return WebRequest(
        console=console,
        method=request.method,
        route=route,
        params=params,
        query=dict(request.query_params or {}),
        body=bytes(request.raw_body or b""),
        headers=request.headers,
        client=str(request.context.get("identity", {}).get("sourceIp") or ""),
        time_left=(lambda: timedelta(milliseconds=context.get_remaining_time_in_millis())) if context else _a_minute,
    )


def _respond(view: View, request: WebRequest, run: Callable[[View, WebRequest], Response]) -> Response:
    """Run a view. Whatever fails, the response is a page of ours without a traceback."""
    try:
        if request.method != "GET" and request.is_cross_site():
            return pages.problem(request, 403, "Not allowed", "This request came from another site.")
        return run(view, request)
    except MissingSecret as error:
        log.warning("console-without-key", why=str(error))
        return pages.problem(request, 503, "Not available", "The console cannot read its key. Run dropnote doctor.")
    except Exception as error:  # noqa: BLE001  a page must not end in a traceback
        log.warning("console-failed", route=request.route, why=type(error).__name__, at=_place(error))
        return pages.problem(request, 500, "Something went wrong", "The log of the API function has the reason.")


def _place(error: Exception) -> str:
    """Where an error was raised: "reading.py:52". Its text is not logged: it may have what somebody sent."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""


def _signed_in(view: View, request: WebRequest, role: Role) -> Response:
    session = session_of(request)
    if session is None:
        return pages.sign_in(request, 401)
    if role is Role.OPERATOR and session.role is not Role.OPERATOR:
        return pages.problem(_with(request, session), 403, "Not allowed", "Only operators can do this.")
    return view(_with(request, session))


def _with_csrf(view: View) -> View:
    def checked(request: WebRequest) -> Response:
        if not check_csrf(request):
            return pages.problem(request, 403, "Not sent", "This form is too old or not ours. Reload the page and try again.")
        return view(request)

    return checked


def _with(request: WebRequest, session: Session) -> WebRequest:
    return replace(request, session=session)
