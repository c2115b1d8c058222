"""A stub of AWS that responds to every request immediately, in its own process: the CPU that an upload takes is then the bot's.

    with immediate_aws() as endpoint:
        ...

DynamoDB accepts every write and finds no item; SES accepts every mail.
Source: Amazon DynamoDB developer guide, "DynamoDB low-level API" (the checksum); Amazon SES API v2 reference, "SendEmail".
"""

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import cast
from zlib import crc32

from workbench.local.local_server import listening

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"^content-length:\s*(\d+)", re.IGNORECASE | re.MULTILINE)
_MAIL_PATH = b"/v2/email/outbound-emails"


def next_request(received: bytes) -> tuple[bytes, bytes] | None:
    """Split the bytes of a connection into the path of its first request and what follows it; None until it is complete."""
    head, end, rest = received.partition(_HEAD_END)
    if not end:
        return None
    length = _LENGTH.search(head)
    size = int(length[1]) if length else 0
    return (head.split(b" ", 2)[1], rest[size:]) if len(rest) >= size else None


def response_to(path: bytes, number: int) -> bytes:
    """The response to a request: an accepted mail with the id `number`, or DynamoDB's empty result with its checksum."""
    if path == _MAIL_PATH:
        body, type_, checksum = b'{"MessageId": "%060d"}' % number, b"application/json", b""
    else:
        body, type_ = b"{}", b"application/x-amz-json-1.0"
        checksum = b"x-amz-crc32: %d\r\n" % crc32(body)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nx-amzn-RequestId: %036d\r\n%s" % (type_, number, checksum)
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@contextmanager
def immediate_aws() -> Iterator[str]:
    """Run the stub while the block does, which then closes its input. Yields its URL."""
    with listening() as listener:
        command = [sys.executable, "-m", __name__, str(listener.fileno())]
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()]):  # noqa: S603
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


class _Connection(asyncio.Protocol):
    """One client's connection."""

    _numbers = count(1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._received = cast(asyncio.Transport, transport), b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while request := next_request(self._received):
            path, self._received = request
            self._transport.write(response_to(path, next(self._numbers)))


async def _serve(listener: socket.socket) -> None:
    """Serve until standard input closes: the parent has finished, or was killed."""
    await asyncio.get_running_loop().create_server(_Connection, sock=listener)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(socket.socket(fileno=int(sys.argv[1]))))
