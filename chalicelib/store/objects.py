"""Reads what S3 knows about an uploaded object: content type, metadata, tags, and the version that it replaced.

Source: Amazon S3 API reference, "HeadObject" (404 for a deleted object only with s3:ListBucket, otherwise 403; no error text),
"GetObjectTagging", and "ListObjectVersions" (newest first; the markers name the version after which the list starts).
"""

from collections.abc import Callable
from datetime import UTC
from threading import Lock
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from ..domain.event import Upload
from ..domain.filters.upload import Fact, FactValue, Head, Previous, Tags, Unread
from ..platform.aws import ClientFactory

# An upload waits for the response: it may fail twice and leave time to send. Then AWS delivers the event again.
CLIENT_CONFIG = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 3})

_ACTIONS = {Fact.HEAD: "s3:GetObject", Fact.TAGS: "s3:GetObjectTagging", Fact.PREVIOUS: "s3:ListBucketVersions"}
_RETRIED = (408, 429)  # and every 5xx


class ObjectReader:
    """Reads facts, each by one request. The version that the event names is read, even if it was replaced since."""

    def __init__(self, clients: ClientFactory) -> None:
        self._clients = clients
        self._client: Any = None
        self._lock = Lock()

    def read(self, upload: Upload, fact: Fact) -> FactValue:
        """Return a fact, or Unread if S3 can never return it: the object was deleted, or a permission is missing.

        Raises:
            ClientError, BotoCoreError: S3 did not respond, or is throttling; the event has to be handled again.
        """
        try:
            return _READERS[fact](self.client, upload)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            if status >= 500 or status in _RETRIED:
                raise
            return _unread(fact, status, str(error.response.get("Error", {}).get("Code", status)))

    @property
    def client(self) -> Any:
        """The client, created once: several threads read, and botocore may create clients in one thread at a time only."""
        with self._lock:
            self._client = self._client or self._clients("s3", config=CLIENT_CONFIG)
        return self._client


def _unread(fact: Fact, status: int, code: str) -> Unread:
    if status in (404, 405):  # 405: the version is a delete marker
        return Unread("the object was deleted since")
    if status == 403:
        action = _ACTIONS[fact]
        why = f"S3 denied access; check {action} in the policies of the function and of the bucket, and the key's policy with KMS"
        return Unread(why, denied=True)
    if status == 400 and fact is Fact.HEAD:
        return Unread("S3 returned 400: the object may be encrypted with a key that only the uploader has (SSE-C)")
    return Unread(f"S3 returned {code}")


def _read_head(client: Any, upload: Upload) -> Head:
    response = client.head_object(Bucket=upload.bucket, Key=upload.key, **_version(upload))
    metadata = {name.lower(): _decode(value) for name, value in response.get("Metadata", {}).items()}
    return Head(response.get("ContentType", ""), metadata)


def _decode(value: str) -> str:
    """Decode a value that S3 returns as an encoded word (RFC 2047), because it is not ASCII; any other is left as it is.

    Source: Amazon S3 user guide, "Working with object metadata".
    """
    if not value.startswith("=?"):
        return value
    from email.errors import HeaderParseError
    from email.header import decode_header, make_header

    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return value


def _read_tags(client: Any, upload: Upload) -> Tags:
    response = client.get_object_tagging(Bucket=upload.bucket, Key=upload.key, **_version(upload))
    return Tags({tag["Key"]: tag["Value"] for tag in response.get("TagSet", ())})


def _read_previous(client: Any, upload: Upload) -> Previous | Unread:
    """The next older version. A delete marker counts as none: the key did not exist when the object was uploaded."""
    if not upload.version:
        return Unread("the bucket keeps no versions: enable versioning")
    response = client.list_object_versions(
        Bucket=upload.bucket, Prefix=upload.key, KeyMarker=upload.key, VersionIdMarker=upload.version, MaxKeys=1
    )
    at = next((entry["LastModified"] for entry in response.get("Versions", ()) if entry["Key"] == upload.key), None)
    return Previous(at and at.astimezone(UTC))


def _version(upload: Upload) -> dict[str, str]:
    return {"VersionId": upload.version} if upload.version else {}


_READERS: dict[Fact, Callable[[Any, Upload], FactValue]] = {
    Fact.HEAD: _read_head,
    Fact.TAGS: _read_tags,
    Fact.PREVIOUS: _read_previous,
}
