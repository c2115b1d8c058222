"""The page of the audit log: who did what."""

from chalice.app import Response

from ..platform.sanitize import sanitize
from . import pages
from .times import times_for
from .web import Area, WebRequest

MAX_LINES = 100

area = Area(__name__)


@area.page("/console/audit")
def audit_page(request: WebRequest) -> Response:
    """The newest lines of the audit log."""
    times = times_for(request)
    entries = request.console.audit.newest(request.console.now(), MAX_LINES)
    lines = [
        {
            "when": times.second(entry.at),
            "who": entry.who,
            "did": entry.did.value,
            "what": sanitize(entry.what),
            "detail": sanitize(entry.detail),
        }
        for entry in entries
    ]
    return pages.html(request, "audit.html", here="audit", lines=lines)
