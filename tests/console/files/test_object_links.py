"""Links to objects: which messages have one, what opening and pressing does, and how it ends."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from botocore.exceptions import ClientError

from chalicelib.console.files.presigning import origin_of
from chalicelib.domain.people import Channel
from chalicelib.platform.aws import client_factory
from chalicelib.platform.signing.tokens import Purpose, Signer
from chalicelib.store.console.audit import Action
from tests.console.files.conftest import BUCKET, PUBLIC, encrypt, files_app
from tests.support.builders import an_upload
from tests.support.console import ConsoleApp
from tests.support.stages import Stage
from workbench.local.ministack import MiniStack


def put(site: ConsoleApp, key: str = "in/report.pdf", body: bytes = b"hello", **changes: Any) -> str:
    """Upload an object and let the bot announce it; returns its ETag."""
    etag = str(site.ministack.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)["ETag"]).strip('"')
    site.stage.take(an_upload(key, len(body), **{"etag": etag, **changes}))
    return etag


def link_of(stage: Stage, channel: Channel = Channel.EMAIL) -> str:
    """The path of the link in the newest message of a channel; "" without one."""
    message = stage.providers[channel].accepted[-1].message
    found = re.search(rf"{PUBLIC}(/o/[\w-]+)", message.text)
    return found[1] if found else ""


def test_mail_has_the_link_and_a_text_does_not(site: ConsoleApp) -> None:
    put(site)
    mail = site.stage.mail.accepted[-1].message
    path = link_of(site.stage)
    assert f"Download: {PUBLIC}{path}" in mail.text
    assert f'href="{PUBLIC}{path}"' in mail.html
    assert link_of(site.stage, Channel.SMS) == ""
    assert "X-Amz" not in mail.text + mail.html


def test_rule_without_link_has_none(ministack: MiniStack) -> None:
    site = files_app(ministack, link="")
    put(site)
    assert link_of(site.stage) == ""


IN_TEXTS = 'link = { lasts = "7d", sms = true }'


def test_text_on_the_own_domain_keeps_the_whole_link(ministack: MiniStack) -> None:
    site = files_app(ministack, IN_TEXTS)
    put(site, "in/" + "long name " * 40 + ".pdf")
    text = site.stage.text.accepted[-1].message
    assert text.text.endswith(link_of(site.stage, Channel.SMS))
    assert (text.segments, len(link_of(site.stage, Channel.SMS))) == (2, 46)


def test_text_has_no_link_to_an_address_of_api_gateway(ministack: MiniStack) -> None:
    site = files_app(ministack, IN_TEXTS, base="https://abc.execute-api.eu-west-1.amazonaws.com/api")
    put(site)
    assert "http" not in site.stage.text.accepted[-1].message.text


def test_summary_of_a_burst_has_no_link(ministack: MiniStack) -> None:
    site = files_app(ministack, 'link = "7d"\nfirst = 0', then="10m")
    for number in range(3):
        put(site, f"in/{number}.txt", sequencer=str(number))
    site.stage.sweep_for(minutes=12)
    assert "3 more files" in site.stage.mail.accepted[-1].message.text
    assert link_of(site.stage) == ""


def test_opening_signs_nothing_and_the_button_downloads(site: ConsoleApp) -> None:
    put(site, 'in/résumé "x".pdf', b"the content")
    visitor, path = site.visitor(), link_of(site.stage)
    response = visitor.get(path)
    page = response.body.decode()
    assert response.status_code == 200
    assert "résumé &#34;x&#34;.pdf" in page
    assert "11 bytes" in page
    assert "2026-03-02 17:30 (Asia/Kolkata)" in page
    assert "X-Amz" not in page + str(response.headers)
    assert Action.DOWNLOAD not in {entry.did for entry in site.console.audit.newest(site.stage.now, 5)}
    pressed: Any = visitor.post(path)
    location = pressed.headers["Location"]
    assert (pressed.status_code, parse_qs(urlsplit(location).query)["X-Amz-Expires"]) == (303, ["60"])
    assert location.startswith(origin_of(site.console.clients, BUCKET, "us-east-1"))
    saved = requests.get(location, timeout=10)
    assert saved.content == b"the content"
    expected = "attachment; filename=\"resume _x_.pdf\"; filename*=UTF-8''r%C3%A9sum%C3%A9%20%22x%22.pdf"
    assert saved.headers["Content-Disposition"] == expected
    (entry, *_) = site.console.audit.newest(site.stage.now, 5)
    assert (entry.who, entry.did.value, entry.detail) == ("the link of asha", "downloaded the file of", 'in/résumé "x".pdf')


def forged(site: ConsoleApp, path: str) -> dict[str, str]:
    id_ = bytes.fromhex(next(iter(site.stage.rows().values())).id)
    stranger = Signer(lambda: [b"x" * 64], site.stage.clock)
    changed = path[:-3] + ("AAA" if not path.endswith("AAA") else "BBB")
    return {
        "none": "/o/0",
        "changed": changed,
        "cut off": path[:-1],
        "another key": "/o/" + stranger.sign(Purpose.OBJECT, id_),
        "the console's key": "/o/" + site.console.signer.sign(Purpose.OBJECT, id_),
        "another purpose": "/o/" + site.console.signer.issue(Purpose.UPLOAD, id_.hex(), lasts=timedelta(days=1)),
        "not ASCII": "/o/%C3%A4" + path[5:],
    }


def test_forged_link_is_not_valid(site: ConsoleApp) -> None:
    put(site)
    for name, path in forged(site, link_of(site.stage)).items():
        for response in (site.visitor().get(path), site.visitor().post(path)):
            assert (response.status_code, "not valid" in response.body.decode()) == (404, True), name
            assert "report" not in response.body.decode(), name


def test_link_of_a_delivery_that_does_not_exist_is_not_valid(site: ConsoleApp) -> None:
    put(site)
    site.ministack.client("dynamodb").delete_item(
        TableName="dropnote-prod-ledger",
        Key={"pk": {"S": f"delivery#{site.stage.rows()['email'].id}"}, "sk": {"S": "delivery"}},
    )
    assert site.visitor().get(link_of(site.stage)).status_code == 404


def test_link_expires_when_the_settings_say_so(site: ConsoleApp) -> None:
    put(site)
    site.stage.later(days=7, seconds=-1)
    assert site.visitor().get(link_of(site.stage)).status_code == 200
    site.stage.later(seconds=1)
    for response in (site.visitor().get(link_of(site.stage)), site.visitor().post(link_of(site.stage))):
        assert (response.status_code, "expired" in response.body.decode()) == (410, True)


def test_deleted_and_replaced_files_are_named(site: ConsoleApp) -> None:
    put(site)
    path, s3 = link_of(site.stage), site.ministack.client("s3")
    s3.put_object(Bucket=BUCKET, Key="in/report.pdf", Body=b"another")
    response = site.visitor().post(path)
    assert (response.status_code, "replaced" in response.body.decode()) == (409, True)
    s3.delete_object(Bucket=BUCKET, Key="in/report.pdf")
    response = site.visitor().post(path)
    assert (response.status_code, "deleted" in response.body.decode()) == (404, True)


def test_link_opens_the_version_of_its_event(site: ConsoleApp) -> None:
    s3 = site.ministack.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=BUCKET, Key="in/v.txt", Body=b"first")["VersionId"]
    s3.put_object(Bucket=BUCKET, Key="in/v.txt", Body=b"second")
    site.stage.take(an_upload("in/v.txt", 5, version=first))
    pressed: Any = site.visitor().post(link_of(site.stage))
    assert requests.get(pressed.headers["Location"], timeout=10).content == b"first"


def test_object_that_a_kms_key_encrypts_is_downloaded(site: ConsoleApp) -> None:
    """S3 accepts only Signature Version 4 for it. The emulator checks no key's policy."""
    encrypt(site)
    put(site)
    response: Any = site.visitor().post(link_of(site.stage))
    assert response.status_code == 303
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in response.headers["Location"]
    answer = requests.get(response.headers["Location"], timeout=10)
    assert (answer.content, answer.headers["x-amz-server-side-encryption"]) == (b"hello", "aws:kms")


def test_denied_access_is_a_page(site: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> None:
    class Denied:
        def head_object(self, **_: str) -> None:
            raise ClientError({"ResponseMetadata": {"HTTPStatusCode": 403}}, "HeadObject")  # type: ignore[typeddict-item]

    put(site)
    monkeypatch.setattr("chalicelib.console.files.object_links.s3_client", lambda *_: Denied())
    response = site.visitor().post(link_of(site.stage))
    assert (response.status_code, "Access denied" in response.body.decode()) == (403, True)


def test_sign_in_is_required_if_the_settings_say_so(ministack: MiniStack) -> None:
    site = files_app(ministack, 'link = { lasts = "7d", sign_in = true }')
    put(site)
    path = link_of(site.stage)
    for response in (site.visitor().get(path), site.visitor().post(path)):
        assert (response.status_code, "dropnote login" in response.body.decode()) == (401, True)
        assert "report" not in response.body.decode()
    assert site.visitor("ben").post(path).status_code == 303
    downloads = [entry for entry in site.console.audit.newest(site.stage.now, 5) if entry.did is Action.DOWNLOAD]
    assert [entry.who for entry in downloads] == ["ben"]


@pytest.mark.parametrize(("bucket", "host"), [("acme-drops", "acme-drops.s3.eu-west-1."), ("acme.drops", "s3.eu-west-1.")])
def test_addresses_name_the_region(monkeypatch: pytest.MonkeyPatch, bucket: str, host: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client_factory.cache_clear()
    assert origin_of(client_factory(), bucket, "eu-west-1") == f"https://{host}amazonaws.com"
    client_factory.cache_clear()
