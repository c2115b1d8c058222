"""The page of an upload link: whoever has it uploads into one folder, straight from the browser to S3.

`dropnote link` makes it. For each file the page asks for a presigned POST, which writes one new key of at most the link's size.
The row of the link is read each time, so that a revoked link ends at once.
"""

import json
import re
import secrets
from datetime import datetime, timedelta

from chalice.app import Response
from msgspec.structs import replace

from ...domain.files.links import UploadFolder
from ...platform import log
from ...platform.signing.tokens import ExpiredToken, InvalidToken, Purpose
from ...rendering.filters import filesize
from ...store.console.audit import Action
from ...store.console.upload_links import UploadLink
from .. import pages
from ..parts import Console
from ..times import Times
from ..web import Area, WebRequest
from .names import key_for
from .presigning import origin_of, upload_form

MAX_FILES = 300  # of one link in ten minutes
_CONTENT_TYPE = re.compile(r"[\w.+-]{1,80}/[\w.+-]{1,80}", re.ASCII)
_UNKNOWN_TYPE = "application/octet-stream"
_ASK = "Ask whoever sent it for a new one."

area = Area(__name__)


def make_upload_link(console: Console, link: UploadLink, base: str) -> tuple[UploadLink, str]:
    """Store a link under a new id, and return it with its URL. `base` is the URL of the routes.

    Raises:
        LookupError: the settings allow no links for this folder.
    """
    check_folder(console, link.bucket, link.folder)
    link = replace(link, id=secrets.token_hex(5))
    token = console.signer.issue(Purpose.UPLOAD, link.id, lasts=link.expires_at - link.created_at)
    console.upload_links.add(link)
    console.record(link.by, Action.UPLOAD_LINK, link.id, f"{link.label or 'no name'}, for {link.bucket}/{link.folder}")
    return link, f"{base.rstrip('/')}/upload/{token}"


def check_folder(console: Console, bucket: str, folder: str) -> None:
    """Check that the settings allow links for a folder, as the permissions of the API function do.

    Raises:
        LookupError: they do not.
    """
    if UploadFolder(bucket, folder) not in console.settings.upload_links:
        raise LookupError(f"the settings allow no upload links for {bucket}/{folder}")


@area.open("/upload/{token}")
def upload_page(request: WebRequest) -> Response:
    """The page with the drop zone."""
    link = _link(request)
    if not isinstance(link, UploadLink):
        title, sentence, status = link
        return pages.problem(request, status, title, sentence)
    times = Times(request.console.settings.bot.timezone)
    origin = origin_of(request.console.clients, link.bucket, link.region)
    return pages.html(
        request,
        "upload.html",
        policy=pages.page_policy(connect_src=origin),
        label=link.label,
        size=filesize(link.max_bytes),
        max_bytes=link.max_bytes,
        until=f"{times.minute(link.expires_at)} ({times.zone})",
    )


@area.open("/upload/{token}", "POST")
def accept_file(request: WebRequest) -> Response:
    """Answer with the presigned POST for one file: {"url", "fields"}, or {"error"}."""
    link, console = _link(request), request.console
    if not isinstance(link, UploadLink):
        title, sentence, status = link
        return _json(request, {"error": f"{title}. {sentence}"}, status)
    form = request.form
    size = int(form.get("size", "")) if form.get("size", "").isascii() and form.get("size", "").isdigit() else 0
    if not form.get("name", "").strip() or not 1 <= size <= link.max_bytes:
        reason = "it is empty" if not size else f"a file may have at most {filesize(link.max_bytes)}"
        return _json(request, {"error": f"Not uploaded: {reason}."}, 400)
    if console.sign_ins.count_attempt(f"upload link {link.id}", console.now()) > MAX_FILES:
        log.warning("upload-link-limited", link=link.id)
        return _json(request, {"error": "Too many files at once. Wait ten minutes, then go on."}, 429)
    given = form.get("type", "")
    content_type = given if _CONTENT_TYPE.fullmatch(given) else _UNKNOWN_TYPE
    key = key_for(link.folder, form["name"], secrets.token_hex(5))
    console.record(f"upload link {link.id}", Action.UPLOAD, key, filesize(size))
    return _json(request, upload_form(console.clients, link.bucket, link.region, key, link.max_bytes, content_type))


def new_link(
    folder: UploadFolder, region: str, max_bytes: int, lasts: timedelta, label: str, by: str, now: datetime
) -> UploadLink:
    """The values of a link that starts now; `make_upload_link` gives it an id."""
    return UploadLink("", folder.bucket, folder.folder, region, max_bytes, label, by, now, now + lasts)


def _link(request: WebRequest) -> UploadLink | tuple[str, str, int]:
    """The valid link of a request; or the title, the sentence and the status of the answer that says why there is none."""
    console = request.console
    try:
        claims = console.signer.read(Purpose.UPLOAD, request.params["token"])
    except ExpiredToken:
        return "This link has expired", _ASK, 410
    except InvalidToken:
        claims = []
    link = console.upload_links.get(claims[0]) if len(claims) == 1 else None
    if link is None:
        return "This link is not valid", "Open it as you received it: it may have been cut off.", 404
    if link.state(console.now()) == "revoked":
        return "This link was withdrawn", _ASK, 410
    if link.state(console.now()) == "expired":
        return "This link has expired", _ASK, 410
    if UploadFolder(link.bucket, link.folder) not in console.settings.upload_links:
        return "This link was withdrawn", _ASK, 410
    return link


def _json(request: WebRequest, value: object, status: int = 200) -> Response:
    return pages.respond(request, json.dumps(value), "application/json", status)
