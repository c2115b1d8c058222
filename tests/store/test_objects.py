"""Facts about objects, read from a real S3 API: of the version that the event names, and what happens if they cannot be read."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.event import Upload
from chalicelib.domain.filters.upload import Fact, Head, Previous, Tags, Unread
from chalicelib.store.objects import ObjectReader
from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer, Fault
from workbench.local.strict.http_requests import check_requests

BUCKET, KEY = "acme-drops", "in/a b+ü.pdf"


class Bucket:
    """A bucket with versioning, and a reader behind a proxy."""

    def __init__(self, ministack: MiniStack, proxy: Proxy) -> None:
        self.s3, self.proxy = ministack.client("s3"), proxy
        self.s3.create_bucket(Bucket=BUCKET)
        self.reader = ObjectReader(lambda service, **_: local_client(proxy.url, service))

    def keep_versions(self) -> None:
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})

    def upload(self, body: bytes = b"1", **options: Any) -> Upload:
        response = self.s3.put_object(Bucket=BUCKET, Key=KEY, Body=body, **options)
        return Upload(BUCKET, KEY, len(body), version=response.get("VersionId", ""))


@pytest.fixture
def bucket(ministack: MiniStack) -> Iterator[Bucket]:
    with Proxy(ministack.endpoint) as proxy:
        yield Bucket(ministack, proxy)
        _, problems = check_requests(proxy.requests())
        assert not problems


def test_head_and_tags_are_those_of_the_uploaded_version(bucket: Bucket) -> None:
    bucket.keep_versions()
    first = bucket.upload(ContentType="text/csv", Metadata={"Team": "blue"}, Tagging="class=secret&Owner=a%20b")
    bucket.upload(ContentType="text/plain")
    assert bucket.reader.read(first, Fact.HEAD) == Head("text/csv", {"team": "blue"})
    assert bucket.reader.read(first, Fact.TAGS) == Tags({"class": "secret", "Owner": "a b"})


def test_object_without_versions_tags_or_metadata(bucket: Bucket) -> None:
    upload = bucket.upload()
    assert bucket.reader.read(upload, Fact.HEAD) == Head("application/octet-stream", {})  # S3: binary/octet-stream
    assert bucket.reader.read(upload, Fact.TAGS) == Tags({})
    assert bucket.reader.read(upload, Fact.PREVIOUS) == Unread("the bucket keeps no versions: enable versioning")


def test_previous_is_the_version_before_this_one(bucket: Bucket) -> None:
    bucket.keep_versions()
    first, second = bucket.upload(), bucket.upload()
    bucket.s3.put_object(Bucket=BUCKET, Key=KEY + ".sig", Body=b"another key that starts alike")
    bucket.upload()
    assert bucket.reader.read(first, Fact.PREVIOUS) == Previous(None)
    previous = bucket.reader.read(second, Fact.PREVIOUS)
    assert isinstance(previous, Previous)
    assert previous.at
    assert abs((datetime.now(UTC) - previous.at).total_seconds()) < 600


def test_key_that_was_deleted_before_counts_as_new(bucket: Bucket) -> None:
    bucket.keep_versions()
    bucket.upload()
    bucket.s3.delete_object(Bucket=BUCKET, Key=KEY)
    assert bucket.reader.read(bucket.upload(), Fact.PREVIOUS) == Previous(None)


def test_deleted_object_is_unread_without_blaming_permissions(bucket: Bucket) -> None:
    upload = bucket.upload()
    bucket.s3.delete_object(Bucket=BUCKET, Key=KEY)
    for fact in (Fact.HEAD, Fact.TAGS):
        assert bucket.reader.read(upload, fact) == Unread("the object was deleted since")


def test_denied_access_names_the_permission_and_kms(bucket: Bucket) -> None:
    for fact, action in (
        (Fact.HEAD, "s3:GetObject"),
        (Fact.TAGS, "s3:GetObjectTagging"),
        (Fact.PREVIOUS, "s3:ListBucketVersions"),
    ):
        bucket.proxy.fail_next(Answer(403, b""))
        unread = bucket.reader.read(Upload(BUCKET, KEY, version="v1"), fact)
        assert isinstance(unread, Unread)
        assert unread.denied
        assert f"check {action} in the policies" in unread.why
        assert "KMS" in unread.why
        assert KEY not in unread.why


def test_object_with_the_uploaders_own_key_is_unread(bucket: Bucket) -> None:
    bucket.proxy.fail_next(Answer(400, b""), times=3)  # botocore asks whether the bucket is in another region
    unread = bucket.reader.read(Upload(BUCKET, KEY), Fact.HEAD)
    assert isinstance(unread, Unread)
    assert "SSE-C" in unread.why
    assert not unread.denied


@pytest.mark.parametrize("fault", [Answer(503, b"<Error><Code>SlowDown</Code></Error>"), Fault.RESET_BEFORE])
def test_throttled_or_broken_request_is_an_error_so_that_the_event_is_handled_again(
    bucket: Bucket, fault: Answer | Fault
) -> None:
    bucket.proxy.fail_next(fault, times=20)
    with pytest.raises((ClientError, BotoCoreError)):
        bucket.reader.read(Upload(BUCKET, KEY), Fact.HEAD)


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        ("=?UTF-8?Q?Z=C3=BCrich?=", "Zürich"),
        ("=?UTF-8?B?WsO8cmljaA==?=", "Zürich"),
        ("=?no-such-charset?B?WsO8?=", "=?no-such-charset?B?WsO8?="),
        ("=?", "=?"),
        ("plain", "plain"),
    ],
)
def test_value_that_is_not_ascii_is_decoded(bucket: Bucket, stored: str, value: str) -> None:
    answer = Answer(200, b"", (("x-amz-meta-city", stored),))
    bucket.proxy.fail_next(answer)
    head = bucket.reader.read(Upload(BUCKET, KEY), Fact.HEAD)
    assert isinstance(head, Head)
    assert head.metadata == {"city": value}
