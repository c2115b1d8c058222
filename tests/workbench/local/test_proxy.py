"""The proxy forwards everything unchanged, records it, and injects only the planned faults."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer, Fault
from workbench.ports import free_port
from workbench.waiting import wait_until

FAULTS = [(Fault.RESET_BEFORE, False)]  # and whether the request reaches the service
FAULTS += [(fault, True) for fault in (Fault.RESET_AFTER, Fault.HALF, Fault.MALFORMED, Fault.SILENT)]


class Service(BaseHTTPRequestHandler):
    """Responds to every request and stores its bytes."""

    protocol_version = "HTTP/1.1"
    received: list[tuple[str, list[tuple[str, str]], bytes]]

    def respond(self) -> None:
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while not body.endswith(b"0\r\n\r\n"):
                body += self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.received.append((self.requestline, self.headers.items(), body))
        self.send_response_only(201)
        self.send_header("X-Answer", "yes")
        self.send_header("X-Answer", "twice")
        self.send_header("Content-Length", "14")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b'{"some":"json"')

    do_GET = do_POST = do_HEAD = respond  # noqa: N815  http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Write no access log."""


@pytest.fixture
def service() -> Iterator[str]:
    Service.received = []
    with HTTPServer(("127.0.0.1", 0), Service) as server:  # single-threaded: all other threads are the proxy's
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def proxy(service: str) -> Iterator[Proxy]:
    with Proxy(service) as running:
        yield running


def post(proxy: Proxy, path: str = "thing", timeout: float = 5) -> requests.Response:
    return requests.post(f"{proxy.url}/{path}", data="words", headers={"X-Amz-Target": "Db_1.PutItem"}, timeout=timeout)


def exchange(proxy: Proxy, request: bytes) -> bytes:
    """Send bytes on a connection, and return what is received until the other end closes."""
    with socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=5) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 5\r\n", b"words"),
        (b"Transfer-Encoding: chunked\r\n", b"3;some=extension\r\nwor\r\n2\r\nds\r\n0\r\n\r\n"),
    ],
)
def test_request_is_forwarded_byte_for_byte(proxy: Proxy, framing: bytes, body: bytes) -> None:
    head = b"POST //a%2Fb?c=%2B HTTP/1.1\r\nHost: signed.example:99\r\nx-odd-CASE: 1\r\nX-Twice: a\r\nX-Twice: b\r\n"
    response = exchange(proxy, head + framing + b"Connection: close\r\n\r\n" + body)
    (line, headers, received) = Service.received[0]
    assert (line, received) == ("POST //a%2Fb?c=%2B HTTP/1.1", body)
    sent = [tuple(header.split(": ", 1)) for header in (head + framing).decode().strip().split("\r\n")[1:]]
    assert headers == [*sent, ("Connection", "close")]
    assert response.startswith(b"HTTP/1.1 201")
    assert proxy.requests()[0].body == b"words"


def test_response_is_forwarded_unchanged(proxy: Proxy) -> None:
    response = post(proxy)
    assert (response.status_code, response.headers["X-Answer"], response.content) == (201, "yes, twice", b'{"some":"json"')
    assert requests.head(f"{proxy.url}/thing", timeout=5).headers["Content-Length"] == "14"


def test_request_is_recorded_with_its_result(proxy: Proxy) -> None:
    post(proxy, "thing?a=1")
    requests.get(f"{proxy.url}/other?b=2", timeout=5)
    requests.post(proxy.url, data={"Action": "GetCallerIdentity"}, timeout=5)
    recorded = [
        (request.method, request.path, request.operation, request.forwarded, request.status) for request in proxy.requests()
    ]
    assert recorded == [
        ("POST", "/thing?a=1", "PutItem", True, 201),
        ("GET", "/other?b=2", "GET /other", True, 201),
        ("POST", "/", "GetCallerIdentity", True, 201),
    ]
    proxy.clear()
    assert proxy.operations() == []


@pytest.mark.parametrize(("fault", "reaches"), FAULTS)
def test_fault_happens_once_and_only_for_its_operation(proxy: Proxy, fault: Fault, reaches: bool) -> None:
    proxy.fail_next(fault, operation="PutItem")
    assert requests.get(f"{proxy.url}/other", timeout=5).status_code == 201
    with pytest.raises(requests.exceptions.RequestException):
        post(proxy, timeout=0.3).json()
    request = proxy.requests()[-1]
    assert (request.forwarded, request.status) == ((True, 201) if reaches else (False, 0))
    assert ("POST /thing HTTP/1.1" in [line for line, *_ in Service.received]) == reaches
    assert post(proxy).status_code == 201


def test_malformed_response_is_valid_http(proxy: Proxy) -> None:
    proxy.fail_next(Fault.MALFORMED)
    response = post(proxy)
    assert (response.status_code, response.headers["Content-Length"], response.text) == (201, "7", '{"some"')


def test_answer_of_the_proxy_does_not_reach_the_service(proxy: Proxy) -> None:
    proxy.fail_next(Answer(503, b"{}", (("Retry-After", "7"),)), times=2)
    responses = [post(proxy) for _ in range(3)]
    results = [(response.status_code, response.headers.get("Retry-After")) for response in responses]
    assert results == [(503, "7"), (503, "7"), (201, None)]
    assert len(Service.received) == 1


def test_fault_continues_while_its_condition_is_true(proxy: Proxy) -> None:
    proxy.fail_while(lambda request: request.operation == "PutItem" and len(proxy.requests()) < 3, Answer(500))
    assert [post(proxy).status_code for _ in range(3)] == [500, 500, 201]


def test_second_request_of_a_connection_is_marked_as_reused(proxy: Proxy) -> None:
    with requests.Session() as session:
        for _ in range(2):
            session.get(f"{proxy.url}/thing", timeout=5)
    assert [request.reused for request in proxy.requests()] == [False, True]


def test_down_breaks_connections_and_up_uses_the_same_port(proxy: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=5) as idle:
        idle.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
        assert idle.recv(4) == b"HTTP"
        proxy.down()
        assert b"".join(iter(lambda: idle.recv(65536), b"")).endswith(b"\r\n\r\n")
    with pytest.raises(requests.exceptions.ConnectionError):
        post(proxy)
    proxy.up()
    assert post(proxy).status_code == 201


def test_unreachable_service_looks_like_a_broken_connection(capsys: pytest.CaptureFixture[str]) -> None:
    with Proxy(f"http://127.0.0.1:{free_port()}") as proxy, pytest.raises(requests.exceptions.ConnectionError):
        post(proxy)
    assert capsys.readouterr().err == ""


def test_end_leaves_no_thread_while_clients_wait(service: str) -> None:
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


def test_signed_calls_of_an_aws_client_succeed(ministack: MiniStack) -> None:
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
        assert {request.status for request in proxy.requests()} == {200}
