"""Reads the links to files: `link` of a rule on uploads, and [[upload_links]]."""

from datetime import timedelta

from ..domain.files.links import ObjectLink, UploadFolder
from ..platform.fields import values
from ..platform.fields.table import FieldError, Table
from .document import Document

FIELDS = ("lasts", "sign_in", "sms")
_MIN, _MAX = timedelta(minutes=5), timedelta(days=90)  # the ledger keeps its rows for 90 days
_EXAMPLE = 'use for example "7d"'


def read_object_link(table: Table) -> ObjectLink | None:
    """Read `link`: how long it lasts, or a table that says more. None: no message has one."""
    if not table.has("link"):
        return None
    if not isinstance(table.raw("link"), dict):
        return ObjectLink(table.parsed("link", _MAX, _lasts))
    inner = table.inner("link", FIELDS)
    if not inner.has("lasts"):
        inner.add_error("lasts", "missing", 'set it, for example lasts = "7d"')
    return ObjectLink(inner.parsed("lasts", _MAX, _lasts), inner.boolean("sign_in"), inner.boolean("sms"))


def read_upload_folders(document: Document) -> tuple[UploadFolder, ...]:
    """Read the folders that upload links may be made for."""
    folders = []
    for entry in document.list_of_tables("upload_links"):
        table = entry.table(("bucket", "folder"))
        bucket = table.text("bucket", "", values.bucket, required='"${UPLOAD_BUCKET}"')
        folder = UploadFolder(bucket, table.text("folder", "", _folder, required='"partner-a/"'))
        if folder in folders:
            table.add_error("folder", "the same folder twice", "remove one")
        folders.append(folder)
    return tuple(folders)


def _lasts(text: str) -> timedelta:
    lasts = values.parse_duration(text)
    if not _MIN <= lasts <= _MAX:
        raise FieldError(f"{text!r} is not between 5m and 90d", _EXAMPLE)
    return lasts


def _folder(text: str) -> str:
    """A folder. It is part of an IAM policy, where * ? and ${ have a meaning."""
    if not text.endswith("/") or text.startswith("/") or "//" in text:
        raise FieldError(f"{text!r} is not a folder", 'it ends with a slash and begins without one: "partner-a/"')
    if any(character in text for character in "*?$\\") or not text.isprintable() or {".", ".."} & set(text.split("/")):
        raise FieldError(f"{text!r} cannot be a folder of upload links", "use letters, digits, - and _")
    if len(text.encode()) > 500:
        raise FieldError("longer than 500 bytes", "choose a shorter folder: a key has at most 1,024 bytes")
    return text
