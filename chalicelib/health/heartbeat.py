"""A heartbeat to the outside: as long as it comes, somebody else knows that the bot is alive. It tells nothing but that."""

from ..platform import log

TIMEOUT_S = 5.0


def beat(url: str) -> None:
    """Ask for a URL once. Whatever comes of it is nobody's trouble here: who waits for it says so when it stays out."""
    import urllib3  # only where there is somebody to tell

    try:
        with urllib3.PoolManager(retries=False) as pool:
            status = pool.request("GET", url, timeout=TIMEOUT_S, redirect=False, preload_content=False).status
    except urllib3.exceptions.HTTPError as error:
        log.warning("no-heartbeat", why=type(error).__name__)  # without the URL: knowing it is all it takes to fake one
    else:
        (log.info if status < 400 else log.warning)("heartbeat", status=status)
