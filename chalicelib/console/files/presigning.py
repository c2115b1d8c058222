"""Presigned requests: S3 accepts them from a browser as if the API function had sent them. Signing makes no call to AWS.

A presigned request ends with the credentials that signed it, those of a function's role after some hours: therefore none is ever
sent in a message, and each is signed when somebody presses a button. An object that AWS KMS encrypts needs Signature Version 4.
Sources: Amazon S3 user guide, "Download and upload objects with presigned URLs"; Amazon S3 API reference, "Browser-based
uploads using HTTP POST", "POST Policy", "Object GET" (response-content-disposition).
"""

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit

from botocore import UNSIGNED
from botocore.config import Config

from ...domain.event import Upload
from .names import attachment

DOWNLOAD_LASTS = timedelta(seconds=60)  # the browser follows at once; a download that has begun goes on
UPLOAD_LASTS = timedelta(minutes=15)  # for the upload to begin
MAX_UPLOAD = 5 * 1024**3  # of one POST (Amazon S3 user guide, "Uploading objects")

Clients = Callable[..., Any]


def s3_client(clients: Clients, bucket: str, region: str, *, version: Any = "s3v4") -> Any:
    """A client for a bucket in a region ("": the function's own). `version` is that of the signature.

    Its addresses name the region. Botocore's default style does not: a new bucket outside us-east-1 then answers with a redirect,
    which a signature does not survive. TLS certificates do not cover names with dots: these buckets are in the path.
    """
    return _client(clients, "path" if "." in bucket else "virtual", region, version)


@lru_cache(maxsize=8)
def _client(clients: Clients, style: Literal["path", "virtual"], region: str, version: Any) -> Any:
    there = {"region_name": region} if region else {}
    config = Config(
        signature_version=version,
        s3={"addressing_style": style, "us_east_1_regional_endpoint": "regional"},
        connect_timeout=3,
        read_timeout=8,
        retries={"total_max_attempts": 3},
    )
    return clients("s3", config=config, **there)


def origin_of(clients: Clients, bucket: str, region: str) -> str:
    """The origin that a browser sends a presigned request to: what a page's policy must allow. Nothing is signed."""
    client = s3_client(clients, bucket, region, version=UNSIGNED)
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "x"})
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def download_url(clients: Clients, upload: Upload, region: str) -> str:
    """A presigned GET that saves the object as a file."""
    version = {"VersionId": upload.version} if upload.version else {}
    disposition = attachment(upload.key)
    parameters = {"Bucket": upload.bucket, "Key": upload.key, "ResponseContentDisposition": disposition, **version}
    lasts = int(DOWNLOAD_LASTS.total_seconds())
    return str(s3_client(clients, upload.bucket, region).generate_presigned_url("get_object", Params=parameters, ExpiresIn=lasts))


def upload_form(clients: Clients, bucket: str, region: str, key: str, max_bytes: int, content_type: str) -> dict[str, Any]:
    """A presigned POST: {"url": …, "fields": {…}}. It writes exactly this key, of 1 to `max_bytes` bytes, and nothing else."""
    form: dict[str, Any] = s3_client(clients, bucket, region).generate_presigned_post(
        bucket,
        key,
        Fields={"Content-Type": content_type},
        Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, max_bytes]],
        ExpiresIn=int(UPLOAD_LASTS.total_seconds()),
    )
    return form
