"""Style sheet and script, from console/static/."""

from pathlib import Path

from chalice.app import Response

from . import pages
from .web import Area, WebRequest

STATIC = Path(__file__).resolve().parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
FILES = {file.name: file for file in STATIC.iterdir() if file.suffix in _TYPES}

area = Area(__name__)


@area.open("/static/{name}")
def asset(request: WebRequest) -> Response:
    """A file that the pages use; the same for everybody."""
    file = FILES.get(request.params["name"])
    if file is None:
        return pages.problem(request, 404, "Not found", "There is no such file.")
    cached = {"Cache-Control": "public, max-age=300"}
    return pages.respond(request, file.read_text(encoding="utf-8"), _TYPES[file.suffix], headers=cached)
