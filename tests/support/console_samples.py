"""A day of invented deliveries, counts, incidents and silences, for the console's pages and pictures."""

import math
import random
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from chalicelib.console.dashboard.figures import RANGES
from chalicelib.counting.latency import latency_class
from chalicelib.domain.delivery import Reason
from chalicelib.domain.monitor import CheckResult, Incident, MonitorState
from chalicelib.domain.payloads import Level
from chalicelib.domain.people import Channel
from chalicelib.policy.controls import SuppressedAddress, address_key, new_silence
from chalicelib.store.counts.hourly import FILES, Outcome, folder_count, latency_count, outcome_count, segments_count
from tests.support.builders import an_upload
from tests.support.console import ConsoleApp
from tests.support.providers import Answer
from tests.support.stages import COUNTERS

FOLDERS = {"invoices": 9, "partner-a/orders": 6, "camera/north-gate": 14, "exports": 3, "returns": 2, "scans": 2, "misc": 1}
OUTCOMES = {
    ("email", "sent", "accepted"): 40, ("sms", "sent", "accepted"): 12, ("sms", "delivered", "arrived"): 11,
    ("email", "bundled", "digest"): 9,
    ("sms", "undelivered", "not-arrived"): 1, ("email", "dropped", "silenced"): 2, ("email", "failed", "bad-address"): 1,
}  # fmt: skip
LATENCIES_S = {0.6: 60, 0.9: 28, 1.3: 8, 2.2: 3, 5: 1}  # seconds, per cent of the messages
SIZES = (184_320, 21_504, 2_411_724, 64_512)
NAMES = ("invoices/2026-03/471N.pdf", "partner-a/orders/batch-N.csv", "camera/north-gate/081N.jpg", "exports/ledger-qN.xlsx")


def put_counts(client: Any, at: datetime, counts: dict[str, int]) -> None:
    """Write the counts of an hour and its month, as counting does."""
    for key in (f"hour#{at:%Y-%m-%dT%H}", f"month#{at:%Y-%m}"):
        names = {f"#{number}": name for number, name in enumerate(counts)}
        client.update_item(
            TableName=COUNTERS,
            Key={"pk": {"S": "hourly"}, "sk": {"S": key}},
            UpdateExpression="ADD " + ", ".join(f"#{n} :{n}" for n in range(len(counts))) + " SET v = :v",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={
                ":v": {"N": "1"},
                **{f":{number}": {"N": str(amount)} for number, amount in enumerate(counts.values())},
            },
        )


def counts_of_hour(at: datetime, dice: random.Random) -> dict[str, int]:
    """Invented counts of an hour: busy by day, quiet by night."""
    busy = 0.15 + max(0.0, math.sin((at.hour - 5) / 24 * 2 * math.pi)) + dice.random() * 0.3
    folders = {folder_count(f"acme-drops/{name}"): round(weight * busy * 8) for name, weight in FOLDERS.items()}
    outcomes = {outcome_count(Outcome(*words)): round(weight * busy) for words, weight in OUTCOMES.items()}
    latencies = {latency_count(latency_class(seconds)): round(share * busy) for seconds, share in LATENCIES_S.items()}
    counts = {FILES: sum(folders.values()), **folders, **outcomes, **latencies, segments_count("1"): round(14 * busy)}
    return {name: amount for name, amount in counts.items() if amount}


def sample_counts(site: ConsoleApp, period: str = "24h") -> None:
    """Invented counts of a period that ends now."""
    client, dice = site.ministack.client("dynamodb"), random.Random(7)
    now = site.stage.now.replace(minute=0, second=0, microsecond=0)
    for hours in range(RANGES[period] // timedelta(hours=1)):
        at = now - timedelta(hours=hours)
        put_counts(client, at, counts_of_hour(at, dice))


def sample_deliveries(site: ConsoleApp) -> None:
    """Some uploads of the last minutes: sent, rejected by the text's provider, to be retried."""
    stage = site.stage
    for number, name in enumerate(NAMES * 2):
        stage.later(minutes=3)
        if number == 2:
            stage.text.answers.append(Answer.REJECT)
        if number == 5:
            stage.mail.answers.append(Answer.THROTTLE)
        upload = an_upload(name.replace("N", str(number)), SIZES[number % 4], sequencer=f"00{number}")
        upload = replace(upload, at=stage.now)
        stage.later(seconds=0.6)
        stage.take(upload)


def sample_incident(site: ConsoleApp, name: str = "shop", id_: str = "4f2a9c") -> None:
    """A monitor with an incident that has been open for 20 minutes, after one in the night."""
    now = site.stage.now
    opened = now - timedelta(minutes=20)
    hours = [(24.0, Level.OK), (9.5, Level.ERROR), (8.9, Level.OK), (3.0, Level.WARNING), (2.5, Level.OK)]
    history = tuple((now - timedelta(hours=ago), level) for ago, level in hours)
    state = MonitorState(
        name,
        level=Level.ERROR,
        since=opened,
        incident=Incident(id_, opened, "returned 503, not 2xx", Level.ERROR, Level.ERROR, opened),
        result=CheckResult(Level.ERROR, "returned 503, not 2xx", "503"),
        checked_at=now,
        version=1,
        history=(*history, (opened, Level.ERROR)),
    )
    site.stage.incidents.save(MonitorState(name), state, now)


def sample_ok(site: ConsoleApp, name: str, says: str = "the newest feed/*.csv is 5 hours old") -> None:
    """A monitor without a problem."""
    now = site.stage.now
    since = now - timedelta(days=3)
    state = MonitorState(
        name, since=since, result=CheckResult(Level.OK, says), checked_at=now, version=1, history=((since, Level.OK),)
    )
    site.stage.incidents.save(MonitorState(name), state, now)


def sample_controls(site: ConsoleApp) -> None:
    """A silence, and a suppressed address."""
    control, now = site.stage.deliverer.control, site.stage.now
    control.silence(new_silence("uploads", now, timedelta(hours=2), "asha", "migration of the archive"))
    person = site.stage.settings.people["ben"]
    key = address_key(Channel.EMAIL, site.stage.settings.sender(Channel.EMAIL), person.email)
    control.suppress(key, SuppressedAddress("ben", Channel.EMAIL, Reason.BAD_ADDRESS, now - timedelta(days=2)))


def fill(site: ConsoleApp, period: str = "24h") -> None:
    """Everything above."""
    sample_deliveries(site)
    sample_counts(site, period)
    for monitor in site.stage.settings.monitors:
        if monitor.name == "shop":
            sample_incident(site)
        else:
            sample_ok(site, monitor.name)
    sample_controls(site)
