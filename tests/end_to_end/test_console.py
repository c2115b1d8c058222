"""The console as deployed: the pages of the zip, through the local environment's API Gateway."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from chalicelib.bot.assembly import load_settings, make_bot, make_console
from chalicelib.console.sign_in import sign_in_link
from workbench.cli import main
from workbench.local.environment import LocalEnvironment
from workbench.waiting import wait_until

pytestmark = pytest.mark.environment


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEnvironment]:
    with LocalEnvironment(port=0, server_port=0, state=Path(tmp_path_factory.mktemp("state"))) as running:
        yield running


def test_deployed_console_signs_in_counts_and_silences(environment: LocalEnvironment) -> None:
    running, client = environment.running, environment.ministack.client
    settings = load_settings(environment.variables)
    bot = make_bot(settings, environment.variables, lambda service, **_: client(service))
    console = make_console(bot, environment.variables, lambda service, **_: client(service))
    client("s3").put_object(Bucket=running.bucket, Key="in/<b>.txt", Body=b"hello")
    with requests.Session() as session:
        for path in ("/log", "/audit", "/deliveries/" + "0" * 32, ""):
            assert session.get(f"{running.api}/console{path}", timeout=30).status_code == 401
        link = sign_in_link(console, "asha", str(running.api), "tester")
        assert "Sign in</button>" in session.get(link, timeout=30).text
        response = session.post(f"{running.api}/sign-in", data={"token": link.partition("token=")[2]}, timeout=30)
        assert response.url == f"{running.api}/console"  # redirected by a relative address, to the page asked for last
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert session.get(f"{running.api}/static/console.css", timeout=30).headers["Content-Type"] == "text/css; charset=utf-8"

        def page() -> str:
            return session.get(f"{running.api}/console", timeout=30).text

        assert wait_until(lambda: "in/&lt;b&gt;.txt" in page() and "<dd>1</dd>" in page(), within_s=30), page()
        token = re.search(r'name="csrf_token" value="([^"]+)"', page())
        assert token
        form = {"csrf_token": token[1], "rule": "invoices", "duration": "2h", "reason": "migration"}
        assert "by asha: migration" in session.post(f"{running.api}/console/silence", data=form, timeout=30).text


def test_link_that_make_run_prints_signs_the_owner_in(environment: LocalEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("workbench.account", "workbench.cli.console.login"):
        monkeypatch.setattr(f"{module}.read_running", lambda: environment.running)
    link = main._console_link()
    assert link.startswith(f"{environment.running.api}/sign-in?token=")
    with requests.Session() as session:
        page = session.post(f"{environment.running.api}/sign-in", data={"token": link.partition("token=")[2]}, timeout=30)
    assert (page.status_code, "asha, operator" in re.sub("<[^>]+>", "", page.text)) == (200, True)
