"""An account whose monitors the commands show, and how tests run a command on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner, Result

from chalicelib.bot.bot import Bot
from chalicelib.domain.settings import Settings
from tests.support.stages import Stage
from workbench.cli.main import main

MONITORS = """
[[monitors]]
name = "shop"
kind = "http"
url = "{url}"
failures = 2
recoveries = 1
remind = "4h"
notify = "email:ben"
on_error = "sms:asha"
[[monitors]]
name = "feed"
kind = "freshness"
bucket = "acme-drops"
key = "feed/{{date:%Y-%m-%d}}.csv"
expect = "weekdays by 06:00 Asia/Kolkata"
notify = "email:ben"
"""

CALM = """
[[rules]]
name = "calm"
bucket = "acme-drops"
key = "x/**"
notify = "email:ben"
severity = "warning"
quiet = "22:00-07:00"
budget = "20 messages per hour"
then = "10m"
by = "folder"
[[rules]]
name = "whole"
bucket = "acme-drops"
key = "y/**"
notify = "email:ben"
by = "folder"
complete = { marker = "_SUCCESS", within = "2h" }
[[rules]]
name = "fire"
bucket = "acme-drops"
key = "z/**"
notify = "email:ben"
urgent = true
"""


class EmptyBucket:
    """A double of a bucket with these objects."""

    contents: Sequence[Mapping[str, Any]] = ()

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Any:
        return [{"Contents": self.contents}]

    def list_objects_v2(self, **_: Any) -> Any:
        return {"Contents": self.contents, "IsTruncated": False}


@dataclass
class Account:
    """An account with the bot of a stage in memory."""

    stage_: Stage
    settings: Settings
    stage: str = "local"

    def bot(self) -> Bot:
        return self.stage_.bot


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))
