"""What makes the deployed functions use everything they are granted: each run is one part of the bot."""

import json
import re
from datetime import timedelta
from typing import Any

import requests

from chalicelib.bot.assembly import make_console
from chalicelib.console.sign_in import sign_in_link
from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.domain.event import UnknownPayload
from chalicelib.domain.people import Channel
from chalicelib.platform.clock import utc_now
from chalicelib.policy.controls import ChannelPace
from chalicelib.policy.send_gate import Deferral
from chalicelib.rules.recipients import notices_for_rule
from chalicelib.store.control import Control
from chalicelib.store.counts.counters import Counters
from chalicelib.store.rows import Parked
from tests.support.bus_payloads import instance
from tests.support.mail_events import mail_event
from tests.support.observed import QUEUE, THROTTLED, ObservedEnvironment, notification, upload_event
from tests.support.payloads import bus_event
from tests.support.stream_records import record
from tests.support.streams import batch, sent_records
from workbench.local.demo.demo_incidents import FEED, missing, play_incidents
from workbench.local.proxy.server import Answer
from workbench.local.twilio.incoming import receive_text
from workbench.waiting import wait_until


def uploads_and_receipts(env: ObservedEnvironment) -> None:
    """Uploads through all triggers. One e-mail fails permanently, so that there is one to resend. One SMS is not delivered,
    and the function behind the API notifies the owner."""
    client = env.local.ministack.client
    env.proxies["ses"].fail_next(Answer(400, b'{"message": "no"}', (("x-amzn-ErrorType", "MessageRejected"),)))
    client("s3").put_object(Bucket=env.local.running.bucket, Key="in/direct.txt", Body=b"hello")
    env.wait_for("in/direct.txt", Channel.EMAIL, State.FAILED)
    bus = bus_event("in/bus.txt")
    bus["detail"]["bucket"]["name"] = env.local.running.bucket
    env.local.twilio.undeliver_to(env.settings.people["asha"].sms)
    env.invoke("upload_events", bus)
    env.wait_for("in/bus.txt", Channel.SMS, State.UNDELIVERED)
    url = client("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"]
    client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(notification(env, "in/queue.txt")))
    env.wait_for("in/queue.txt", Channel.EMAIL, State.SENT)
    env.wait_for("in/queue.txt", Channel.SMS, State.UNDELIVERED)
    for bucket in ("by-topic", "by-queue"):
        client("s3").put_object(Bucket=bucket, Key=f"{bucket}.txt", Body=b"hello")
        env.wait_for(f"{bucket}.txt", Channel.EMAIL, State.SENT)
    services = [*["json"] * 2, *["slack"] * 2]
    assert wait_until(lambda: sorted(post.service for post in env.local.webhooks.posts()) == services, within_s=20)


def asking(env: ObservedEnvironment) -> dict[str, Any]:
    """Uploads about which a rule asks everything: one without versions, one with, and one that is deleted."""
    s3, payload = env.local.ministack.client("s3"), notification(env, "asked/plain.txt", "by-topic")
    if "Contents" not in s3.list_objects_v2(Bucket="by-topic", Prefix="asked/"):
        s3.put_object(Bucket="by-topic", Key="asked/plain.txt", Body=b"1")
        s3.put_bucket_versioning(Bucket="by-topic", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="by-topic", Key="asked/versions.txt", Body=b"1")["VersionId"]
    for key in ("asked/versions.txt", "asked/deleted.txt"):
        payload["Records"] += notification(env, key, "by-topic")["Records"]
    payload["Records"][1]["s3"]["object"]["versionId"] = version
    return payload


def uploads_with_questions(env: ObservedEnvironment) -> None:
    """A rule asks about the object, in every function that handles uploads to its bucket."""
    payload = asking(env)
    env.invoke("uploads_topic_news", {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(payload)}}]})
    env.invoke("upload_queue", {"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": json.dumps(payload)}]})
    env.bot.deliverer.ledger.park(Parked.of(UnknownPayload("s3", "a test parked it", payload), utc_now()))
    url = env.local.ministack.client("sqs").get_queue_url(QueueName=env.variables["DROPNOTE_DEAD_EVENTS"])["QueueUrl"]
    env.local.ministack.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(payload))


def on_demand_functions(env: ObservedEnvironment) -> None:
    """The functions that people invoke."""
    env.invoke("test", {"to": "asha"})
    failed = env.wait_for("in/direct.txt", Channel.EMAIL, State.FAILED)
    assert "error" not in env.invoke("resend", {"id": failed.id, "who": "asha"})
    env.proxies["ses"].fail_next(Answer(400, b'{"message": "no"}', (("x-amzn-ErrorType", "MessageRejected"),)))
    env.invoke("upload_dropnote_uploads", notification(env, "in/refused.txt"))
    parked = Parked.of(UnknownPayload("s3", "a test parked it", notification(env, "in/parked.txt")), utc_now())
    env.bot.deliverer.ledger.park(parked)
    assert len(env.invoke("redrive", {"since": "1h", "who": "asha", "yes": True})["rows"]) >= 2


def defer_two_mails(env: ObservedEnvironment) -> None:
    """Two e-mails deferred to a time that has passed."""
    deliverer, wait = env.bot.deliverer, Deferral(Reason.QUIET, utc_now() - timedelta(hours=1), "quiet hours")
    for name in ("in/one.txt", "in/two.txt"):
        (notice, *_) = notices_for_rule(upload_event(env, name), env.settings.rules[0])
        assert deliverer.deferrer.defer(deliverer.new_delivery(notice), wait, deliverer.settle_delay)


def schedules(env: ObservedEnvironment) -> None:
    """A sweep with a due delivery, a digest and a dead-lettered event; a watch that finds overwritten bucket notifications."""
    env.bot.intake.hold(upload_event(env, "in/held.txt"), Reason.OPERATOR)
    defer_two_mails(env)
    client = env.local.ministack.client
    url = client("sqs").get_queue_url(QueueName=env.variables["DROPNOTE_DEAD_EVENTS"])["QueueUrl"]
    client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(notification(env, "invoices/dead.pdf")))
    env.invoke("sweep", {})
    assert env.row("invoices/dead.pdf", Channel.EMAIL)
    assert any(row.event.digest and row.state is State.SENT for row in env.rows())
    reset_monitors(env)
    bucket = env.local.running.bucket
    client("s3").delete_object(Bucket=bucket, Key=FEED)
    client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    assert wait_until(lambda: env.check_health() == 1, within_s=60, pause_s=5.0)  # a container's control item may be 30 s old


def backlogs(env: ObservedEnvironment) -> None:
    """Each function that takes many events is throttled once, and starts a sweep. A sweep with many messages starts others."""
    bus = bus_event("in/throttled-bus.txt")
    bus["detail"]["bucket"]["name"] = env.local.running.bucket
    by_topic = {"Message": json.dumps(notification(env, "throttled.txt", "by-topic"))}

    def in_queue(payload: dict[str, Any]) -> dict[str, Any]:
        return {"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": json.dumps(payload)}]}

    order = record({"id": "t1", "status": "rejected"}, {"id": "t1", "status": "new"})
    payloads = {
        "upload_dropnote_uploads": notification(env, "in/throttled.txt"),
        "upload_events": bus,
        "upload_queue": in_queue(notification(env, "in/throttled-queue.txt")),
        "uploads_topic_news": {"Records": [{"EventSource": "aws:sns", "Sns": by_topic}]},
        "uploads_queue_jobs": in_queue(notification(env, "throttled.txt", "by-queue")),
        "bus": instance("stopped"),
        "items_orders": {"Records": [order]},
    }
    for function, payload in payloads.items():
        env.bot.deliverer.control._store.remove("pace_email")
        env.proxies["ses"].fail_next(THROTTLED, operation="SendEmail")
        env.invoke(function, payload)
        assert "lambda:InvokeFunction" in env.used_actions()[function], function
    queues = env.bot.deliverer.ledger.queues  # a sweep that has begun would send the backlog at the pace it knows
    assert wait_until(lambda: all(lease.until < utc_now() for lease in queues.read().leases.values()), within_s=100, pause_s=1.0)
    env.bot.deliverer.control.record_pace(Channel.EMAIL, ChannelPace(200, 192, utc_now()))
    for number in range(45):  # each for two people
        env.bot.intake.hold(upload_event(env, f"invoices/many-{number}.pdf", size=2_000), Reason.WAITING)
    unused = {"pk": {"S": "queues"}, "sk": {"S": "0123abcd"}, "channel": {"S": "email"}, "urgent": {"BOOL": False}}
    unused |= {"rule": {"S": "old"}, "shards": {"N": "4"}, "used_at": {"N": "1"}}
    env.local.ministack.client("dynamodb").put_item(TableName=env.variables["DROPNOTE_LEDGER"], Item=unused)


def reset_monitors(env: ObservedEnvironment) -> None:
    """Delete the states of all monitors: then all are due."""
    dynamodb, table = env.local.ministack.client("dynamodb"), env.variables["DROPNOTE_LEDGER"]
    query = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "standing"}}}
    for item in dynamodb.query(TableName=table, **query)["Items"]:
        dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})


def monitors_and_tasks(env: ObservedEnvironment) -> None:
    """The sample incidents of the local environment, and the on-demand tasks."""
    assert len(list(play_incidents(env.local.running))) > 5
    assert env.invoke("send", {"to": ["asha"], "words": {"text": "hello"}})["deliveries"]
    deliverer, wait = env.bot.deliverer, Deferral(Reason.QUIET, utc_now() + timedelta(hours=1), "quiet hours")
    (notice, *_) = notices_for_rule(upload_event(env, "in/later.txt"), env.settings.rules[0])
    assert deliverer.deferrer.defer(deliverer.new_delivery(notice), wait, deliverer.settle_delay)
    assert env.invoke("digest_now", {"who": notice.recipient.person.name})["digests"] == 1
    assert wait_until(lambda: not missing(subjects(env)), within_s=30), missing(subjects(env))


def subjects(env: ObservedEnvironment) -> list[str]:
    """The subjects of all e-mails in the inbox."""
    return [mail["subject"] for mail in inbox(env)]


def feedback(env: ObservedEnvironment) -> None:
    """Commands by text, links in mails, and what SES reports: one notice goes to the owner by mail, one by text."""
    twilio, number, sns = env.local.twilio, env.settings.people["asha"].sms, env.local.ministack.client("sns")

    def publish(type_: str, row: Delivery, **details: str) -> None:
        event = mail_event(type_, row.id, row.receipt, **details)
        sns.publish(TopicArn=env.variables["DROPNOTE_MAIL_EVENTS"], Message=json.dumps(event))

    for text in ("mute", "ack nothing", "unmute", "stop"):
        assert receive_text(twilio, number, text) == 200
    link = next(link for mail in inbox(env) for link in re.findall(r"^Mute for 2 hours: (.*)$", mail["text"], re.M))
    page = requests.get(link, timeout=30)
    assert (page.status_code, "<button>Mute for 2 hours</button>" in page.text) == (200, True)
    publish("Bounce", env.wait_for("in/queue.txt", Channel.EMAIL, State.SENT), bounceType="Transient")
    env.wait_for("in/queue.txt", Channel.EMAIL, State.UNDELIVERED)
    assert wait_until(lambda: "ses:SendEmail" in env.used_actions()["mail_events"], within_s=20)
    assert receive_text(twilio, number, "start") == 200
    bens = next(row for row in env.rows() if row.person == "ben" and row.state is State.SENT and row.channel is Channel.EMAIL)
    publish("Complaint", bens)
    assert wait_until(lambda: "ssm:GetParameters" in env.used_actions()["mail_events"], within_s=45)


def inbox(env: ObservedEnvironment) -> list[dict[str, Any]]:
    """All e-mails."""
    mails: list[dict[str, Any]] = requests.get(f"{env.local.running.server}/inbox.json", timeout=5).json()["mails"]
    return mails


def counts(env: ObservedEnvironment) -> None:
    """The stream reports sent messages to the function that counts; then enough are sent to exhaust a budget."""
    counters = Counters(env.local.ministack.client("dynamodb"), env.variables["DROPNOTE_COUNTERS"])
    now = utc_now()
    assert wait_until(lambda: counters.sent_by_hour("asha", now - timedelta(hours=1), now + timedelta(hours=1)), within_s=20)
    texts = sent_records(100, now, channel=Channel.SMS, segments=2)
    assert env.invoke("count", batch(*texts)) == {"batchItemFailures": []}
    control = Control(env.bot.deliverer.control._store, utc_now)  # the bot's own may remember what it read up to 30 s ago
    assert "person asha: segments per day" in control.now().exhausted


def console(env: ObservedEnvironment) -> None:
    """Somebody signs in to the console and looks at its pages."""
    client, api = env.local.ministack.client, env.local.running.api
    site = make_console(env.bot, env.variables, lambda service, **_: client(service))
    with requests.Session() as session:
        link = sign_in_link(site, "asha", str(api), "tester")
        session.post(f"{api}/sign-in", data={"token": link.partition("token=")[2]}, timeout=30)
        for page in ("console", "console/log", "console/audit"):
            assert session.get(f"{api}/{page}", timeout=30).status_code == 200, page


def links(env: ObservedEnvironment) -> None:
    """Somebody downloads by the links in mails: an object, a version, and one that was deleted."""
    s3 = env.local.ministack.client("s3")
    s3.put_object(Bucket="by-topic", Key="version.txt", Body=b"hello")
    s3.delete_object(Bucket="by-queue", Key="by-queue.txt")
    for key, status in (("by-topic.txt", 303), ("version.txt", 303), ("by-queue.txt", 404)):
        env.wait_for(key, Channel.EMAIL, State.SENT)
        (mail,) = [mail for mail in inbox(env) if key in mail["subject"] and "asha" in mail["person"]]
        (link,) = re.findall(r"^Download: (.*)$", mail["text"], re.M)
        assert requests.post(link, data={"": ""}, allow_redirects=False, timeout=30).status_code == status, key
