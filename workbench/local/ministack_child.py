"""Runs MiniStack until its parent process ends. Executed by MiniStack's own Python, never imported.

Standard input is a pipe from the parent. When it closes, however the parent ended, this process removes the folder (its only
argument) and kills its process group, including Lambda's workers.
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
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

QUEUED_S = 6 * 3600.0  # how long AWS queues an asynchronous invocation
PENDING_S = 0.05  # how long a new or changed function is not ready; MiniStack takes half a second, and a deploy waits 40 times


def exit_with_parent(folder: str) -> None:
    """Wait until the parent has ended, then clean up."""
    while os.read(0, 1024):
        pass
    for _ in range(2):  # a worker may still write to its folder during the first pass
        shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def queue_above_limit(functions: Any) -> None:
    """Let asynchronous invocations wait for a free slot, as in Lambda's own queue.

    MiniStack 1.5.33 tries them three times (an EventBridge target once) and drops them, so most of 200 simultaneous uploads would
    be lost. Synchronous invocations, on its worker pool, are still throttled, so that no function waits for itself.
    """
    original_acquire, original_release = functions._acquire_execution_slot, functions._release_execution_slot
    freed = threading.Condition()

    def acquire(function: Any, config: Any) -> Any:
        slot = original_acquire(function, config)
        if threading.current_thread().name.startswith("ministack-worker"):
            return slot
        deadline = time.monotonic() + QUEUED_S
        with freed:
            while slot[0] is None and time.monotonic() < deadline:
                freed.wait(1.0)  # with a timeout: a slot may become free between the check and the wait
                slot = original_acquire(function, config)
        return slot

    def release(slot: Any) -> None:
        original_release(slot)
        with freed:
            freed.notify()

    functions._acquire_execution_slot, functions._release_execution_slot = acquire, release


def unpack_once(runtime: Any, shared: Path) -> None:
    """Let all workers of a package share one unpacked copy. Lambda's is read-only, too. A file that another copy has is linked.

    MiniStack 1.5.33 unpacks 1,900 files for each new worker, which takes up to two seconds.
    """
    unpacking = threading.Lock()
    known: dict[tuple[str, int, int], Path] = {}  # unpacked files by name and content

    class Package(zipfile.ZipFile):
        def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
            contents = repr([(entry.filename, entry.CRC) for entry in self.infolist()])
            copy = shared / hashlib.sha256(contents.encode()).hexdigest()[:16]
            with unpacking:
                if not copy.exists():
                    self._unpack(shared / "unpacking")
                    (shared / "unpacking").rename(copy)
                    known.update({key: copy / key[0] for key in map(_content_key, self.infolist())})
            Path(path).rmdir()
            Path(path).symlink_to(copy)

        def _unpack(self, fresh: Path) -> None:
            for entry in self.infolist():
                file = known.get(_content_key(entry))
                if file is None or entry.is_dir():
                    super().extract(entry, fresh)
                    continue
                (fresh / entry.filename).parent.mkdir(parents=True, exist_ok=True)
                os.link(file, fresh / entry.filename)

    runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": Package})


def _content_key(entry: zipfile.ZipInfo) -> tuple[str, int, int]:
    return entry.filename, entry.CRC, entry.file_size


def authorize_sender_identity(actions: Any) -> None:
    """Authorize SendEmail for the sender's identity, as AWS does. MiniStack 1.5.33 only uses the resource "*"."""
    original = actions._ses_v2_resource_arn

    def resource(method: str, path: str, body: bytes, region: str, account: str) -> Any:
        if method == "POST" and path.rstrip("/") == "/v2/email/outbound-emails":
            sender = parseaddr(json.loads(body).get("FromEmailAddress", ""))[1]
            return f"arn:aws:ses:{region}:{account}:identity/{sender}"
        return original(method, path, body, region, account)

    actions._ses_v2_resource_arn = resource


def reject_overlapping_notifications(buckets: Any) -> None:
    """Reject a bucket's configuration with two notifications that overlap, as S3 does. MiniStack 1.5.33 accepts it.

    Source: Amazon S3 user guide, "Configuring event notifications using object key name filtering". Written independently of
    chalicelib, which computes the same in advance.
    """
    original = buckets._validate_notification_configs

    def overlap(one: str, other: str) -> bool:
        return one[: len(other)] == other[: len(one)]

    def conflict(one: Any, other: Any) -> bool:
        types = any(overlap(a.rstrip("*"), b.rstrip("*")) for a in one["events"] for b in other["events"])
        prefixes = overlap(one["filter_prefix"] or "", other["filter_prefix"] or "")
        return types and prefixes and overlap((one["filter_suffix"] or "")[::-1], (other["filter_suffix"] or "")[::-1])

    def validate(configs: Any, *arguments: Any) -> Any:
        if any(conflict(one, other) for one, other in combinations(configs, 2)):
            message = "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are "
            return buckets._invalid_notification_config(f"{message}overlapping for the same event type.")
        return original(configs, *arguments)

    buckets._validate_notification_configs = validate


def authorize_parameters(actions: Any) -> None:
    """Authorize GetParameters for a parameter that it names. AWS checks each; MiniStack 1.5.33 only uses the resource "*"."""
    original = actions.extract_resource_arn

    def resource(service: str, method: str, path: str, headers: Any, body: bytes, query: Any, region: str, account: str) -> Any:
        if service == "ssm" and actions._action_from_target(headers) == "GetParameters":
            names = [name for name in json.loads(body).get("Names", []) if isinstance(name, str)]
            if names:
                return f"arn:aws:ssm:{region}:{account}:parameter/{names[-1].lstrip('/')}"
        return original(service, method, path, headers, body, query, region, account)

    actions.extract_resource_arn = resource


def compare_with_conditions(changesets: Any) -> None:
    """Leave resources whose condition is false out of a change set, as CloudFormation does.

    MiniStack 1.5.33 compares them too, so it finds no change in a parameter that only decides which resources there are.
    """
    original = changesets._resolve_props_for_diff

    def resolve(template: Any, params: Any, *arguments: Any) -> Any:
        resolved = original(template, params, *arguments)
        holds = changesets._evaluate_conditions(template or {}, params)
        existing = {name: each for name, each in resolved.get("Resources", {}).items() if holds.get(each.get("Condition"), True)}
        return {"Resources": existing}

    changesets._resolve_props_for_diff = resolve


if __name__ == "__main__":
    folder = sys.argv.pop(1)
    threading.Thread(target=exit_with_parent, args=(folder,), daemon=True).start()
    from ministack.app import main  # type: ignore[import-not-found]  # installed in an environment of its own
    from ministack.core import iam_actions, lambda_runtime  # type: ignore[import-not-found]
    from ministack.services import lambda_svc, s3  # type: ignore[import-not-found]
    from ministack.services.cloudformation import changesets  # type: ignore[import-not-found]

    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = PENDING_S
    reject_overlapping_notifications(s3)
    queue_above_limit(lambda_svc)
    authorize_sender_identity(iam_actions)
    authorize_parameters(iam_actions)
    compare_with_conditions(changesets)
    unpack_once(lambda_runtime, Path(folder) / "packages")
    main()
