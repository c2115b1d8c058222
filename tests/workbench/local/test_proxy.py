"""The proxy passes everything on as it came, records it, and makes only the trouble it was told to."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from workbench.local.ministack import MiniStack, free_port, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer, Fault
from workbench.waiting import wait_until

DELIVERED = [(Fault.RESET_BEFORE, False)]


DELIVERED += [(fault, True) for fault in (Fault.RESET_AFTER, Fault.HALF, Fault.MALFORMED, Fault.SILENT)]


class Service(BaseHTTPRequestHandler):
    """Answers everybody, and keeps the bytes that came."""

    protocol_version = "HTTP/1.1"
    heard: list[tuple[str, list[tuple[str, str]], bytes]]

    def answer(self) -> None:
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while not body.endswith(b"0\r\n\r\n"):
                body += self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.heard.append((self.requestline, self.headers.items(), body))
        self.send_response_only(201)
        self.send_header("X-Answer", "yes")
        self.send_header("X-Answer", "twice")
        self.send_header("Content-Length", "14")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b'{"some":"json"')

    do_GET = do_POST = do_HEAD = answer  # noqa: N815  http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Write no access log."""


@pytest.fixture
def service() -> Iterator[str]:
    Service.heard = []
    with HTTPServer(("127.0.0.1", 0), Service) as server:  # it has no thread a connection: those seen are the proxy's
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def proxy(service: str) -> Iterator[Proxy]:
    with Proxy(service) as running:
        yield running


def ask(proxy: Proxy, path: str = "thing", timeout: float = 5) -> requests.Response:
    return requests.post(f"{proxy.url}/{path}", data="words", headers={"X-Amz-Target": "Db_1.PutItem"}, timeout=timeout)


def say(proxy: Proxy, words: bytes) -> bytes:
    """Say this on a connection, and hear what comes until the other end closes."""
    with socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=5) as connection:
        connection.sendall(words)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 5\r\n", b"words"),
        (b"Transfer-Encoding: chunked\r\n", b"3;some=extension\r\nwor\r\n2\r\nds\r\n0\r\n\r\n"),
    ],
)
def test_request_passes_byte_for_byte(proxy: Proxy, framing: bytes, body: bytes) -> None:
    head = b"POST //a%2Fb?c=%2B HTTP/1.1\r\nHost: signed.example:99\r\nx-odd-CASE: 1\r\nX-Twice: a\r\nX-Twice: b\r\n"
    answer = say(proxy, head + framing + b"Connection: close\r\n\r\n" + body)
    (line, headers, came) = Service.heard[0]
    assert (line, came) == ("POST //a%2Fb?c=%2B HTTP/1.1", body)
    wanted = [tuple(each.split(": ", 1)) for each in (head + framing).decode().strip().split("\r\n")[1:]]
    assert headers == [*wanted, ("Connection", "close")]
    assert answer.startswith(b"HTTP/1.1 201")
    assert proxy.requests()[0].body == b"words"


def test_answer_passes_as_it_came(proxy: Proxy) -> None:
    answer = ask(proxy)
    assert (answer.status_code, answer.headers["X-Answer"], answer.content) == (201, "yes, twice", b'{"some":"json"')
    assert requests.head(f"{proxy.url}/thing", timeout=5).headers["Content-Length"] == "14"


def test_request_is_recorded_with_what_became_of_it(proxy: Proxy) -> None:
    ask(proxy, "thing?a=1")
    requests.get(f"{proxy.url}/other?b=2", timeout=5)
    requests.post(proxy.url, data={"Action": "GetCallerIdentity"}, timeout=5)
    seen = [(each.method, each.path, each.operation, each.forwarded, each.status) for each in proxy.requests()]
    assert seen == [
        ("POST", "/thing?a=1", "PutItem", True, 201),
        ("GET", "/other?b=2", "GET /other", True, 201),
        ("POST", "/", "GetCallerIdentity", True, 201),
    ]
    proxy.forget()
    assert proxy.operations() == []


@pytest.mark.parametrize(("fault", "reaches"), DELIVERED)
def test_each_fault_once_and_only_for_its_operation(proxy: Proxy, fault: Fault, reaches: bool) -> None:
    proxy.fail_next(fault, operation="PutItem")
    assert requests.get(f"{proxy.url}/other", timeout=5).status_code == 201
    with pytest.raises(requests.exceptions.RequestException):
        ask(proxy, timeout=0.3).json()
    seen = proxy.requests()[-1]
    assert (seen.forwarded, seen.status) == ((True, 201) if reaches else (False, 0))
    assert ("POST /thing HTTP/1.1" in [line for line, *_ in Service.heard]) == reaches
    assert ask(proxy).status_code == 201


def test_malformed_answer_is_whole_by_http(proxy: Proxy) -> None:
    proxy.fail_next(Fault.MALFORMED)
    answer = ask(proxy)
    assert (answer.status_code, answer.headers["Content-Length"], answer.text) == (201, "7", '{"some"')


def test_answer_of_its_own_reaches_nobody(proxy: Proxy) -> None:
    proxy.fail_next(Answer(503, b"{}", (("Retry-After", "7"),)), times=2)
    answers = [ask(proxy) for _ in range(3)]
    assert [(each.status_code, each.headers.get("Retry-After")) for each in answers] == [(503, "7"), (503, "7"), (201, None)]
    assert len(Service.heard) == 1


def test_trouble_lasts_while_its_condition_holds(proxy: Proxy) -> None:
    proxy.fail_while(lambda seen: seen.operation == "PutItem" and len(proxy.requests()) < 3, Answer(500))
    assert [ask(proxy).status_code for _ in range(3)] == [500, 500, 201]


def test_second_request_of_a_connection_can_be_told(proxy: Proxy) -> None:
    with requests.Session() as session:
        for _ in range(2):
            session.get(f"{proxy.url}/thing", timeout=5)
    assert [seen.reused for seen in proxy.requests()] == [False, True]


def test_down_breaks_and_refuses_and_up_is_the_same_place(proxy: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=5) as idle:
        idle.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
        assert idle.recv(4) == b"HTTP"
        proxy.down()
        assert b"".join(iter(lambda: idle.recv(65536), b"")).endswith(b"\r\n\r\n")
    with pytest.raises(requests.exceptions.ConnectionError):
        ask(proxy)
    proxy.up()
    assert ask(proxy).status_code == 201


def test_service_that_is_not_there_looks_like_a_broken_connection(capsys: pytest.CaptureFixture[str]) -> None:
    with Proxy(f"http://127.0.0.1:{free_port()}") as proxy, pytest.raises(requests.exceptions.ConnectionError):
        ask(proxy)
    assert capsys.readouterr().err == ""


def test_end_leaves_no_thread_though_clients_wait(service: str) -> None:
    before = set(threading.enumerate())
    with Proxy(service) as proxy:
        proxy.fail_next(Fault.SILENT)
        waiting = socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=5)
        idle = socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=5)
        waiting.sendall(b"GET /thing HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wait_until(lambda: proxy.requests() and proxy.requests()[0].status, within_s=5)
    assert set(threading.enumerate()) == before
    for connection in (waiting, idle):
        connection.close()


def test_signed_calls_of_an_aws_client_pass(ministack: MiniStack) -> None:
    with Proxy(ministack.endpoint) as proxy:
        table = {"AttributeName": "pk", "AttributeType": "S"}
        client = local_client(proxy.url, "dynamodb")
        client.create_table(
            TableName="table", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[table],
        )  # fmt: skip
        client.put_item(TableName="table", Item={"pk": {"S": "é"}})
        store = local_client(proxy.url, "s3")
        store.create_bucket(Bucket="acme-drops")
        store.put_object(Bucket="acme-drops", Key="a key/é", Body=b"words")
        assert store.get_object(Bucket="acme-drops", Key="a key/é")["Body"].read() == b"words"
        assert proxy.operations()[:2] == ["CreateTable", "PutItem"]
        assert {seen.status for seen in proxy.requests()} == {200}
