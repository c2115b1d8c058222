"""The sweep checks that the watch still runs, then sends a heartbeat to a monitoring service outside AWS."""

from collections.abc import Callable
from datetime import timedelta

from ..delivery.deliver import ONCE_A_DAY, Deliverer, TimeLeft
from ..platform import log
from . import rules

TIMEOUT_S = 5.0


def check_watch(deliverer: Deliverer, time_left: TimeLeft, beat: Callable[[str], None]) -> None:
    """Notify the owner when the watch has stopped; send the heartbeat when both sweep and watch are running."""
    settings, every = deliverer.settings, timedelta(minutes=deliverer.settings.watch_interval_minutes)
    problems = rules.watch(deliverer.control.now().watched, deliverer.clock(), every, deliverer.renderer.stage)
    for problem in problems:
        deliverer.notify_owner("watch stopped", str(problem), time_left, once=ONCE_A_DAY)
    if settings.bot.ping and not problems:
        beat(settings.bot.ping)


def beat(url: str) -> None:
    """Request a URL once. The response is not checked beyond logging: the service raises the alarm when heartbeats stop."""
    import urllib3  # imported late: only needed with a heartbeat

    try:
        with urllib3.PoolManager(retries=False) as pool:
            status = pool.request("GET", url, timeout=TIMEOUT_S, redirect=False, preload_content=False).status
    except urllib3.exceptions.HTTPError as error:
        log.warning("no-heartbeat", why=type(error).__name__)  # without the URL: whoever knows it can fake a heartbeat
    else:
        (log.info if status < 400 else log.warning)("heartbeat", status=status)
