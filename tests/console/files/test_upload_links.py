"""Upload links: what each lets a partner do, and nothing else; how they end."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import requests
from chalice.test import HTTPResponse

from chalicelib.console.files import upload_links
from chalicelib.console.files.names import key_for
from chalicelib.console.files.upload_links import make_upload_link, new_link
from chalicelib.domain.files.links import UploadFolder
from chalicelib.platform.signing.tokens import Purpose, Signer
from chalicelib.store.console.audit import Action
from tests.console.files.conftest import BUCKET, FOLDER, encrypt, files_app
from tests.support.console import ConsoleApp
from workbench.local.ministack import MiniStack

FILE = {"name": "q3 report.pdf", "size": "5", "type": "application/pdf"}


def make(site: ConsoleApp, max_bytes: int = 10, base: str = "", label: str = "Invoices <b>", **lasts: float) -> str:
    """A new link; "" as base gives its path."""
    folder, now = UploadFolder(BUCKET, FOLDER), site.stage.now
    wish = new_link(folder, "us-east-1", max_bytes, timedelta(**lasts or {"days": 7}), label, "asha", now)
    return make_upload_link(site.console, wish, base)[1]


def ask(site: ConsoleApp, path: str, **form: str) -> HTTPResponse:
    """Ask for the presigned POST of a file, as the page's script does."""
    return site.visitor().post(path, {**FILE, **form}, Origin="http://127.0.0.1")


def form_of(response: HTTPResponse) -> dict[str, Any]:
    assert response.status_code == 200, response.body
    form: dict[str, Any] = json.loads(response.body)
    return form


def send(form: dict[str, Any], body: bytes = b"hello", **changes: str) -> int:
    """Send a file to S3 as a browser does; the status of S3's answer."""
    answer = requests.post(form["url"], data={**form["fields"], **changes}, files={"file": ("x", body)}, timeout=10)
    return answer.status_code


def keys(site: ConsoleApp) -> list[str]:
    listing = site.ministack.client("s3").list_objects_v2(Bucket=BUCKET)
    return [entry["Key"] for entry in listing.get("Contents", ())]


def test_upload_into_a_bucket_with_a_kms_key_is_encrypted(site: ConsoleApp) -> None:
    key = encrypt(site)
    assert send(form_of(ask(site, make(site)))) == 204
    (name,) = keys(site)
    assert site.ministack.client("s3").head_object(Bucket=BUCKET, Key=name)["SSEKMSKeyId"] == key


def test_partner_uploads_into_the_folder(site: ConsoleApp) -> None:
    path = make(site)
    page = site.visitor().text(path)
    assert "Upload files: Invoices &lt;b&gt;" in page
    assert "Up to 10 bytes each, until 2026-03-09 12:00 (UTC)" in page
    assert BUCKET not in page.replace('<p class="note">acme-drops', "")
    form = form_of(ask(site, path))
    assert send(form) == 204
    (key,) = keys(site)
    assert re.fullmatch(r"partner-a/q3-report-[0-9a-f]{10}\.pdf", key)
    assert site.ministack.client("s3").head_object(Bucket=BUCKET, Key=key)["ContentType"] == "application/pdf"
    entries = {entry.did: entry for entry in site.console.audit.newest(site.stage.now, 9)}
    assert entries[Action.UPLOAD].what == key
    assert entries[Action.UPLOAD_LINK].who == "asha"


def test_same_name_twice_makes_two_files(site: ConsoleApp) -> None:
    path = make(site)
    for body in (b"one", b"two"):
        assert send(form_of(ask(site, path)), body) == 204
    assert len(keys(site)) == 2


def test_form_is_good_for_one_key_and_the_size_only(site: ConsoleApp) -> None:
    form = form_of(ask(site, make(site)))
    assert send(form, key="partner-b/x.pdf") == 403
    assert send(form, key="partner-a/other.pdf") == 403
    assert send(form, b"x" * 11) == 400
    assert send(form, b"hello", **{"Content-Type": "text/html"}) == 403
    assert keys(site) == []


@pytest.mark.parametrize("size", ["0", "11", "-1", "1e3", "", "x", "²"])
def test_size_is_checked_before_signing(site: ConsoleApp, size: str) -> None:
    response = ask(site, make(site), size=size)
    assert (response.status_code, "Not uploaded" in json.loads(response.body)["error"]) == (400, True)


NAMES = [
    ("../../etc/passwd", "partner-a/passwd-u"),
    ("C:\\Users\\x\\a.pdf", "partner-a/a-u.pdf"),
    ("..", "partner-a/file-u"),
    (".htaccess", "partner-a/htaccess-u"),
    ("ünï ☂ x.tar.gz", "partner-a/ünï---x.tar-u.gz"),
    ("a\r\nb\x00\u202ec.pdf", "partner-a/a--b--c-u.pdf"),
    ("${filename}.pdf", "partner-a/filename-u.pdf"),
    ("a" * 500 + ".pdf", "partner-a/" + "a" * 200 + "-u.pdf"),
    ("é" * 500, "partner-a/" + "é" * 100 + "-u"),
]


@pytest.mark.parametrize(("name", "key"), NAMES)
def test_name_of_a_file_cannot_leave_the_folder(name: str, key: str) -> None:
    assert key_for("partner-a/", name, "u") == key


def refused(site: ConsoleApp, path: str) -> set[int]:
    """The statuses of the page and of asking for a form; neither says anything of the bucket."""
    responses = (site.visitor().get(path), ask(site, path))
    assert all(FOLDER not in response.body.decode() for response in responses)
    return {response.status_code for response in responses}


def test_forged_token_is_not_valid(site: ConsoleApp) -> None:
    path = make(site)
    (link,) = site.console.upload_links.all()
    stranger = Signer(lambda: [b"x" * 64], site.stage.clock)
    day = timedelta(days=1)
    for token in (
        "0",
        path.rpartition("/")[2][:-2],
        stranger.issue(Purpose.UPLOAD, link.id, lasts=day),
        site.console.signer.issue(Purpose.SESSION, link.id, lasts=day),
        site.console.signer.issue(Purpose.UPLOAD, "unknown", lasts=day),
        site.console.signer.issue(Purpose.UPLOAD, link.id, "more", lasts=day),
    ):
        assert refused(site, f"/upload/{token}") == {404}, token


def test_link_expires(site: ConsoleApp) -> None:
    path = make(site, hours=1)
    site.stage.later(minutes=59)
    assert site.visitor().get(path).status_code == 200
    site.stage.later(minutes=1)
    assert refused(site, path) == {410}


def test_revoked_link_ends_at_once(site: ConsoleApp) -> None:
    path = make(site)
    (link,) = site.console.upload_links.all()
    assert site.console.upload_links.revoke(link.id, "ben", site.stage.now)
    assert refused(site, path) == {410}
    assert not site.console.upload_links.revoke(link.id, "ben", site.stage.now)
    assert not site.console.upload_links.revoke("unknown", "ben", site.stage.now)
    (revoked,) = site.console.upload_links.all()
    assert (revoked.revoked_by, revoked.state(site.stage.now)) == ("ben", "revoked")


def test_link_ends_with_its_setting(ministack: MiniStack, site: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(site)
    monkeypatch.setattr("tests.console.files.conftest.UPLOAD_LINKS", "")
    ministack.client("s3").delete_bucket(Bucket=BUCKET)
    other = files_app(ministack)
    assert refused(other, path) == {410}
    with pytest.raises(LookupError, match="the settings allow no upload links for acme-drops/partner-a/"):
        make(other)


def test_files_of_a_link_are_limited(site: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_links, "MAX_FILES", 2)
    path, other = make(site), make(site)
    assert [ask(site, path).status_code for _ in range(3)] == [200, 200, 429]
    assert ask(site, other).status_code == 200
    site.stage.later(minutes=10)
    assert ask(site, path).status_code == 200


def test_another_site_gets_no_form(site: ConsoleApp) -> None:
    assert site.visitor().post(make(site), FILE, Origin="https://evil.example").status_code == 403


def test_page_may_connect_to_the_bucket_and_no_other_page_may(site: ConsoleApp) -> None:
    policy = str(site.visitor().get(make(site)).headers["Content-Security-Policy"])
    assert f"connect-src 'self' {site.ministack.endpoint};" in policy
    assert site.ministack.endpoint not in str(site.visitor().get("/sign-in").headers["Content-Security-Policy"])
