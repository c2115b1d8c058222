"""Sweep and watch check each other, and a heartbeat tells a service outside AWS that both run."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chalicelib.health.heartbeat import beat
from chalicelib.health.rules import watch
from tests.support.builders import NOON, some_settings
from tests.support.log_scan import LogLines
from tests.support.stages import Stage, memory_stage

URL = "https://beats.example.com/8c1f"


@pytest.fixture
def stage() -> Stage:
    """A stage with a heartbeat, whose watch has just run."""
    stage = memory_stage(some_settings(**{'owner = "ben"': f'owner = "ben"\nping = "{URL}"'}))
    stage.deliverer.control.record_run("watched", stage.now)
    return stage


def test_heartbeat_is_sent_every_five_minutes_while_both_run(stage: Stage) -> None:
    stage.sweep_for(minutes=60)
    assert stage.beats == [URL] * 12


def test_stopped_watch_stops_the_heartbeat_and_notifies_the_owner_once_a_day(stage: Stage) -> None:
    stage.sweep_for(hours=10)
    assert 30 <= len(stage.beats) <= 31  # the watch runs once an hour here: it is late after two and a half
    (mail,) = stage.mail.accepted
    assert "The last successful watch was 2 h 31 min ago" in mail.message.text
    assert "dropnote-prod-watch" in mail.message.text


def test_watch_that_never_ran_is_not_a_problem() -> None:
    assert watch(None, NOON, timedelta(minutes=1), "prod") == []


@pytest.mark.parametrize(("minutes", "late"), [(14, False), (15, True)])
def test_watch_that_runs_every_minute_is_late_after_15(minutes: int, late: bool) -> None:
    assert bool(watch(NOON - timedelta(minutes=minutes), NOON, timedelta(minutes=1), "prod")) is late


@pytest.fixture
def outside() -> Iterator[tuple[str, list[str]]]:
    """A server that records the requested paths, and returns 200 for /well only."""
    requested: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            self.send_response(200 if self.path == "/well" else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", requested
    server.shutdown()
    thread.join()
    server.server_close()


def test_heartbeat_is_one_request_whatever_the_response(
    outside: tuple[str, list[str]], caplog: pytest.LogCaptureFixture, logged: LogLines
) -> None:
    url, requested = outside
    beat(f"{url}/well")
    beat(f"{url}/secret")
    beat("http://127.0.0.1:1/secret")
    assert requested == ["/well", "/secret"]
    assert "secret" not in caplog.text + logged.text
