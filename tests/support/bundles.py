"""Settings with a rule that bundles, uploads for it, and the number of files that messages report."""

from typing import Any

from chalicelib.domain.event import Event
from chalicelib.domain.settings import Settings
from tests.support.builders import an_upload, some_settings
from tests.support.stages import Stage

NOTIFY = 'notify = ["email:asha", "sms:asha"]'


def bundled(more: str = 'then = "10m"', notify: str = 'notify = ["email:asha"]', person: str = "") -> Settings:
    """The usual settings with a bundling rule; `person` replaces asha's time zone."""
    zone = 'timezone = "Asia/Kolkata"\n'
    return some_settings(**{f'{NOTIFY}\nthen = "off"': f"{notify}\n{more}", zone: person or zone})


def uploads(number: int, start: int = 0, **changes: Any) -> list[Event]:
    """Uploads of different files, numbered from `start`."""
    return [an_upload(f"in/{index:05}.csv", sequencer=f"{index:05}", **changes) for index in range(start, start + number)]


def files_of(event: Event) -> int:
    """How many files an event reports."""
    if event.digest:
        return sum(part.summary.files for part in event.digest.parts)
    return event.summary.files if event.summary else 1


def counts(stage: Stage) -> list[int]:
    """How many files each e-mail reported, in the order they were sent."""
    rows = [stage.ledger.get(mail.delivery) for mail in stage.mail.accepted]
    return [files_of(row.event) for row in rows if row.rule != "trouble"]
