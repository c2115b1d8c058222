"""What a burst of bench/storm_run.py led to: the messages that the providers accepted, and the rows of the ledger."""

from collections import Counter, defaultdict
from datetime import datetime

from chalicelib.domain.budget import Limit
from chalicelib.domain.delivery import Delivery
from chalicelib.domain.event import Kind
from chalicelib.domain.people import Channel
from chalicelib.policy.budget import period_of
from tests.support.builders import NOON
from tests.support.stages import Stage

RULE = "uploads"
RECIPIENTS = (("asha", Channel.EMAIL), ("asha", Channel.SMS), ("ben", Channel.EMAIL))


def sent_files(stage: Stage) -> dict[str, list[int]]:
    """The number of files in each message of the rule, in sending order, by person and channel."""
    files = defaultdict(list)
    for accepted in (*stage.mail.accepted, *stage.text.accepted):
        row: Delivery = stage.ledger.get(accepted.delivery)
        if row.rule == RULE:
            files[f"{row.person} {row.channel}"].append(row.event.summary.files if row.event.summary else 1)
    return dict(files)


def above_budget(stage: Stage) -> int:
    """How many messages or segments above a limit the providers accepted for a person, in the worst hour or day."""
    used: Counter[tuple[str, Limit, datetime]] = Counter()
    for accepted in (*stage.mail.accepted, *stage.text.accepted):
        row: Delivery = stage.ledger.get(accepted.delivery)
        if row.event.kind is not Kind.TROUBLE:
            for limit in stage.settings.people[row.person].budget:
                amount = accepted.message.segments if limit.unit == "segments" else 1
                used[row.person, limit, period_of(limit.per, accepted.at)[0]] += amount
    return max([0, *(amount - limit.amount for (_, limit, _), amount in used.items())])


def missing_rows(stage: Stage, uploads: int) -> int:
    """How many uploads have no row for a recipient, if each has rows of its own."""
    rows = [row for row in stage.ledger.newest(NOON, stage.now) if isinstance(row, Delivery)]
    by_recipient = Counter((row.person, row.channel) for row in rows if row.rule == RULE and row.event.upload)
    return max(uploads - by_recipient[recipient] for recipient in RECIPIENTS)
