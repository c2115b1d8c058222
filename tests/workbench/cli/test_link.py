"""`dropnote link`: makes, lists and revokes upload links, and adds the CORS rule that a bucket needs."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.console.files.conftest import BUCKET, files_app
from tests.support.builders import ENVIRON
from tests.support.console import ConsoleApp
from tests.support.console_commands import PUBLIC_URL, Run, command
from workbench.account import AccountError
from workbench.cli.console.link import _folder
from workbench.deployment.files.cors import allows, read_rules
from workbench.local.ministack import MiniStack

ORIGIN = "https://abc.execute-api.eu-west-1.amazonaws.com"
FOREIGN = {"AllowedOrigins": ["https://app.example"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["x-a"]}


@pytest.fixture
def site(ministack: MiniStack) -> ConsoleApp:
    return files_app(ministack)


@pytest.fixture
def link(site: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a deployed stage."""
    return command(site, monkeypatch, "link")


def rules(site: ConsoleApp) -> list[Any]:
    return list(read_rules(site.ministack.client("s3"), BUCKET))


def test_link_opens_the_page(site: ConsoleApp, link: Run) -> None:
    result = link("--folder", "partner-a", "--max", "50MB", "--days", "3", "--name", "Invoices", "--yes")
    assert result.exit_code == 0, result.output
    url = next(line for line in result.stdout.splitlines() if line.startswith(PUBLIC_URL))
    page = site.visitor().text(url.removeprefix(PUBLIC_URL))
    assert "Upload files: Invoices" in page
    assert "Up to 50 MB each, until 2026-03-05 12:00" in page
    (made,) = site.console.upload_links.all()
    assert f"dropnote link --revoke {made.id} --stage prod" in result.output
    assert url.rpartition("/")[2] not in str(site.ministack.client("dynamodb").scan(TableName="dropnote-prod-ledger")["Items"])


def test_list_and_revoke(site: ConsoleApp, link: Run) -> None:
    made = json.loads(link("--json", "--yes").stdout[len("") :])
    assert (made["folder"], made["max_bytes"], made["cors"]) == ("partner-a/", 5 * 1024**3, True)
    assert f"{made['id']}\tvalid\t2026-03-09 12:00\t{BUCKET}/partner-a/" in link("--list").output
    assert link("--revoke", made["id"]).exit_code == 0
    (listed,) = json.loads(link("--list", "--json").output)
    assert (listed["state"], "url" in listed) == ("revoked", False)
    assert site.visitor().get(made["url"].removeprefix(PUBLIC_URL)).status_code == 410
    again = link("--revoke", made["id"])
    assert (again.exit_code, "dropnote link --list" in again.output) == (1, True)


def test_cors_rule_is_added_once_next_to_those_of_others(site: ConsoleApp, link: Run) -> None:
    site.ministack.client("s3").put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [FOREIGN]})
    explained = link()  # not a terminal: nobody can be asked
    assert "allows POST from https://abc.execute-api" in explained.output
    assert "the same command with --yes" in explained.output
    assert rules(site) == [FOREIGN]
    for _ in range(2):
        assert link("--yes").exit_code == 0
    foreign, ours = rules(site)
    assert foreign == FOREIGN
    assert (ours["AllowedOrigins"], ours["AllowedMethods"]) == ([ORIGIN], ["POST"])


def test_origin_is_compared_as_s3_does() -> None:
    def allowed(origin: str, method: str = "POST") -> bool:
        return allows([{"AllowedOrigins": [origin], "AllowedMethods": [method]}], "https://drops.example.com")

    assert allowed("*")
    assert allowed("https://*.example.com")
    assert not allowed("https://example.com")
    assert not allowed("https://drops.example.com", "PUT")


WRONG = [
    (("--max", "6GB"), "Amazon S3 accepts at most 5 GB"),
    (("--max", "big"), "use for example 200KB, 50MB or 5GB"),
    (("--max", "0"), "not between 1B and 5GB"),
    (("--days", "91"), "1<=x<=90"),
    (("--folder", "partner-b/"), '[[upload_links]]\nbucket = "${UPLOAD_BUCKET}"\nfolder = "partner-b/"'),
    (("--name", "a\nb"), "on one line"),
]


def test_settings_without_folders_get_the_lines_to_add() -> None:
    account = SimpleNamespace(stage="prod", variables=ENVIRON)
    console = SimpleNamespace(settings=SimpleNamespace(upload_links=(), buckets=(BUCKET,)))
    with pytest.raises(AccountError, match="the settings allow no upload links; add these lines and deploy") as error:
        _folder(cast(Any, account), cast(Any, console), "", "")
    assert '[[upload_links]]\nbucket = "${UPLOAD_BUCKET}"\nfolder = "partner-a/"' in str(error.value)


@pytest.mark.parametrize(("arguments", "sentence"), WRONG)
def test_wrong_option_names_the_next_step(site: ConsoleApp, link: Run, arguments: tuple[str, ...], sentence: str) -> None:
    result = link(*arguments)
    assert (result.exit_code != 0, sentence in result.output) == (True, True), result.output
    assert site.console.upload_links.all() == []
