"""The proxy passes everything on as it came, records it, and makes only the trouble it was told to."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from flask import Flask, request

from tests.workbench.serving import serving
from workbench.proxy import Answer, Fault, Proxy

heard: list[str] = []


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    app = Flask("service")
    heard.clear()

    @app.route("/<path:path>", methods=["GET", "POST"])
    def echo(path: str) -> tuple[dict[str, Any], int, dict[str, str]]:
        heard.append(path)
        told = {"path": request.full_path, "body": request.get_data(as_text=True), "host": request.host}
        return told, 201, {"X-Answer": "yes"}

    with serving(app) as url, Proxy(url) as running:
        yield running


def ask(proxy: Proxy, path: str = "thing?a=%2B", timeout: float = 5) -> requests.Response:
    return requests.post(f"{proxy.url}/{path}", data="words", headers={"X-Amz-Target": "Db_1.PutItem"}, timeout=timeout)


def test_everything_passes_as_it_came(proxy: Proxy) -> None:
    answer = ask(proxy)
    assert (answer.status_code, answer.headers["X-Answer"], answer.json()["body"]) == (201, "yes", "words")
    assert answer.json()["path"] == "/thing?a=%2B"
    assert answer.json()["host"] == proxy.url.removeprefix("http://")
    assert [(seen.operation, seen.forwarded, seen.body) for seen in proxy.requests()] == [("PutItem", True, b"words")]


@pytest.mark.parametrize(
    ("fault", "reaches"), [(Fault.RESET_BEFORE, False), (Fault.RESET_AFTER, True), (Fault.HALF, True), (Fault.SILENT, True)]
)
def test_each_fault_once_and_only_for_its_operation(proxy: Proxy, fault: Fault, reaches: bool) -> None:
    proxy.fail_next(fault, operation="PutItem")
    assert requests.get(f"{proxy.url}/other", timeout=5).status_code == 201
    with pytest.raises(requests.exceptions.RequestException):
        ask(proxy, timeout=0.3)
    assert ("thing" in heard) == reaches
    assert ask(proxy).status_code == 201


def test_answer_of_its_own_reaches_nobody(proxy: Proxy) -> None:
    proxy.fail_next(Answer(503, b"{}", (("Retry-After", "7"),)), times=2)
    assert [(ask(proxy).status_code, ask(proxy).headers["Retry-After"]) for _ in range(1)] == [(503, "7")]
    assert heard == []
    assert ask(proxy).status_code == 201


def test_down_refuses_and_up_is_the_same_place(proxy: Proxy) -> None:
    proxy.down()
    with pytest.raises(requests.exceptions.ConnectionError):
        ask(proxy)
    proxy.up()
    assert ask(proxy).status_code == 201
