"""The page behind the link to an object in a message. Opening it signs nothing; its button does, and leads to S3.

The link names a delivery: its row says which object it is, and the present settings how long the link lasts.
Source: Amazon S3 API reference, "HeadObject" (404 for a deleted object only with s3:ListBucket; with ChecksumMode, an object that
a KMS key encrypts needs kms:Decrypt, like its download).
"""

from botocore.exceptions import ClientError
from chalice.app import Response
from msgspec import Struct

from ...delivery.feedback.mail_links import OBJECT_PATH, signer_of
from ...domain.delivery import Delivery
from ...domain.event import Upload
from ...domain.files.links import ObjectLink
from ...platform import log
from ...platform.sanitize import sanitize
from ...platform.signing.tokens import InvalidToken, Purpose
from ...rendering.filters import filesize
from ...store.console.audit import Action
from .. import pages
from ..sessions import session_of
from ..times import Times
from ..web import Area, WebRequest
from .presigning import download_url, origin_of, s3_client

_ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
_NEWER = "Ask whoever uploads it, or use the link in a newer message."

area = Area(__name__)


class _Linked(Struct, frozen=True):
    """What a valid link leads to."""

    delivery: Delivery
    upload: Upload
    link: ObjectLink


@area.open(f"/{OBJECT_PATH}/{{token}}", "GET", "POST")
def linked_object(request: WebRequest) -> Response:
    """Show what the link is for; the button downloads it."""
    linked = _linked(request)
    if isinstance(linked, Response):
        return linked
    session = session_of(request)
    if linked.link.sign_in and session is None:
        return pages.sign_in(request, 401)
    if request.method == "GET":
        return _page(request, linked)
    if problem := _problem_of(request, linked.upload, linked.delivery.event.region):
        return problem
    who = session.person if session else f"the link of {linked.delivery.person}"
    request.console.record(who, Action.DOWNLOAD, linked.delivery.id, linked.upload.key)
    url = download_url(request.console.clients, linked.upload, linked.delivery.event.region)
    return pages.respond(request, "", "text/plain", 303, headers={"Location": url})


def _linked(request: WebRequest) -> _Linked | Response:
    """Read the link, or return the page that says why it cannot be used."""
    console = request.console
    signer = signer_of(console.deliverer.control.now(), console.now)
    try:
        id_ = signer.signed(Purpose.OBJECT, request.params["token"]).hex() if signer else ""
    except InvalidToken:
        id_ = ""
    delivery = console.ledger.get(id_) if id_ else None
    if not isinstance(delivery, Delivery) or delivery.event.upload is None:
        return pages.problem(request, 404, "This link is not valid", "Open it from the message itself: it may have been cut off.")
    rule = console.settings.rule(delivery.rule)
    if rule is None or rule.link is None or console.now() >= delivery.created_at + rule.link.lasts:
        return pages.problem(request, 410, "This link has expired", _NEWER)
    return _Linked(delivery, delivery.event.upload, rule.link)


def _page(request: WebRequest, linked: _Linked) -> Response:
    console, upload, delivery = request.console, linked.upload, linked.delivery
    person = console.settings.people.get(delivery.person)
    times = Times(console.settings.zone(person) if person else console.settings.bot.timezone)
    facts = {
        "Size": filesize(upload.size) if upload.size is not None else "",
        "Uploaded": f"{times.minute(delivery.event.at)} ({times.zone})",
        "Folder": sanitize(upload.key).rpartition("/")[0],
        "Link until": times.minute(delivery.created_at + linked.link.lasts),
    }
    name = sanitize(upload.key).rpartition("/")[2] or sanitize(upload.key)
    origin = origin_of(console.clients, upload.bucket, delivery.event.region)
    policy = pages.page_policy(form_action=origin)  # browsers check where the form is redirected to
    return pages.html(request, "object.html", policy=policy, name=name, facts={key: text for key, text in facts.items() if text})


def _problem_of(request: WebRequest, upload: Upload, region: str) -> Response | None:
    """The page that says why the object cannot be downloaded: S3 itself would answer in XML. None: it can."""
    version = {"VersionId": upload.version} if upload.version else {}
    try:
        client = s3_client(request.console.clients, upload.bucket, region)
        head = client.head_object(Bucket=upload.bucket, Key=upload.key, ChecksumMode="ENABLED", **version)
    except ClientError as error:
        return _refused(request, int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)))
    etag = head.get("ETag", "").strip('"')
    if upload.etag and not upload.version and etag != upload.etag:
        sentences = ("Another file was uploaded under the same name since, so this link does not open it.", _NEWER)
        return pages.problem(request, 409, "This file was replaced", *sentences)
    if head.get("StorageClass") in _ARCHIVED and 'ongoing-request="false"' not in head.get("Restore", ""):
        return pages.problem(request, 409, "This file is archived", "Somebody with access to the bucket has to restore it first.")
    return None


def _refused(request: WebRequest, status: int) -> Response:
    if status in (404, 405):  # 405: the version is a delete marker
        return pages.problem(request, 404, "This file was deleted", "It was in the bucket when the message was sent.")
    log.warning("object-link-refused", status=status)
    if status == 403:
        sentence = "The bot may not read this file: its bucket or its encryption key does not allow it. Tell an operator."
        return pages.problem(request, 403, "Access denied", sentence)
    return pages.problem(request, 502, "Not available", "Amazon S3 does not answer as it should. Try again in a minute.")
