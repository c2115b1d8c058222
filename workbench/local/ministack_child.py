"""Runs MiniStack for as long as whoever started it lives. Executed by MiniStack's own Python, never imported.

Standard input is a pipe from the starter: when it closes, however the starter ended, this process removes the
folder (its one argument) and ends its process group, Lambda's workers with it.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
import threading
import time
import zipfile
from email.utils import parseaddr
from pathlib import Path
from types import SimpleNamespace
from typing import Any

QUEUED_S = 6 * 3600.0  # how long AWS keeps an asynchronous invocation that it cannot run yet


def watch(folder: str) -> None:
    """Wait for the end of the starter, then leave nothing behind."""
    while os.read(0, 1024):
        pass
    for _ in range(2):  # a worker may be writing its folder while the first round runs
        shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def queue_at_the_cap(functions: Any) -> None:
    """Let asynchronous invocations wait for a free slot, as in Lambda's own queue.

    MiniStack 1.5.33 tries them three times (a bus target once) and drops them: of 200 uploads at once most
    would be lost. Synchronous ones, on its worker pool, stay throttled: no function waits for itself.
    """
    take, give = functions._acquire_execution_slot, functions._release_execution_slot
    freed = threading.Condition()

    def acquire(function: Any, config: Any) -> Any:
        slot = take(function, config)
        if threading.current_thread().name.startswith("ministack-worker"):
            return slot
        until = time.monotonic() + QUEUED_S
        with freed:
            while slot[0] is None and time.monotonic() < until:
                freed.wait(1.0)  # not for ever: a slot may be freed between the look and the wait
                slot = take(function, config)
        return slot

    def release(slot: Any) -> None:
        give(slot)
        with freed:
            freed.notify()

    functions._acquire_execution_slot, functions._release_execution_slot = acquire, release


def unpack_once(runtime: Any, shared: Path) -> None:
    """Let all workers of the same package share one unpacked copy, as read-only as on Lambda.

    MiniStack 1.5.33 unpacks 1,900 files for each new worker: up to two seconds each time one is started.
    """
    unpacking = threading.Lock()

    class Package(zipfile.ZipFile):
        def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
            contents = repr([(entry.filename, entry.CRC) for entry in self.infolist()])
            copy = shared / hashlib.sha256(contents.encode()).hexdigest()[:16]
            with unpacking:
                if not copy.exists():
                    fresh = shared / "unpacking"
                    super().extractall(fresh)
                    fresh.rename(copy)
            Path(path).rmdir()
            Path(path).symlink_to(copy)

    runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": Package})


def name_the_sender(actions: Any) -> None:
    """Let SendEmail be about the sender's identity, as at AWS: MiniStack 1.5.33 knows no resource for it but "*"."""
    known = actions._ses_v2_resource_arn

    def resource(method: str, path: str, body: bytes, region: str, account: str) -> Any:
        if method == "POST" and path.rstrip("/") == "/v2/email/outbound-emails":
            sender = parseaddr(json.loads(body).get("FromEmailAddress", ""))[1]
            return f"arn:aws:ses:{region}:{account}:identity/{sender}"
        return known(method, path, body, region, account)

    actions._ses_v2_resource_arn = resource


if __name__ == "__main__":
    folder = sys.argv.pop(1)
    threading.Thread(target=watch, args=(folder,), daemon=True).start()
    from ministack.app import main  # type: ignore[import-not-found]  # is in an environment of its own
    from ministack.core import iam_actions, lambda_runtime  # type: ignore[import-not-found]
    from ministack.services import lambda_svc  # type: ignore[import-not-found]

    queue_at_the_cap(lambda_svc)
    name_the_sender(iam_actions)
    unpack_once(lambda_runtime, Path(folder) / "packages")
    main()
