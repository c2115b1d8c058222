"""Least privilege, measured: each function does all it may, and all it does it may; authorisation is on in the local world."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import requests

from chalicelib.assembly import load_settings, make_bot
from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.domain.event import Event, Kind, Unknown, Upload, identity_of
from chalicelib.domain.people import Channel
from chalicelib.platform.clock import utc_now
from chalicelib.policy.send_gate import Deferral
from chalicelib.rules.recipients import notices_for_rule
from chalicelib.store.counters import Counters
from chalicelib.store.rows import Parked
from tests.support.payloads import bus_event, s3_notification, s3_record
from tests.support.streams import batch, some_sent
from workbench.deployment.grants import Grant, Grants, Place, policies
from workbench.local.demo.demo_incidents import FEED, missing, play_incidents
from workbench.local.environment import LocalEnvironment
from workbench.local.ministack import ACCOUNT, REGION, free_port
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer
from workbench.waiting import wait_until

pytestmark = pytest.mark.world
SERVICES = {"CLOUDWATCH": "cloudwatch", "DYNAMODB": "dynamodb", "SESV2": "ses", "SQS": "sqs", "SSM": "ssm", "S3": "s3"}
QUEUE = "dropnote-local-uploads"
TRANSACTIONS = {"PutItem", "UpdateItem"}  # no action of IAM's is named after them: each write in one is asked about
UNNAMED = {"/BUCKET?notification": "GetBucketNotification", "/v2/email/account": "GetAccount"}  # by path, not by name
BY_PATH = {"/BUCKET?list-type=2": "ListBucket", "/operation/GetMetricData": "GetMetricData"}


class Scene:
    """A local world whose functions reach each AWS service by a proxy that writes down who asked for what."""

    def __init__(self, world: LocalEnvironment, proxies: dict[str, Proxy]) -> None:
        self.world, self.proxies = world, proxies
        self.variables = world.variables
        self.settings = load_settings(self.variables)
        client = world.ministack.client
        self.bot = make_bot(self.settings, self.variables, lambda service, **_: client(service))

    def used(self) -> dict[str, set[str]]:
        """The actions that each function has used so far."""
        found: dict[str, set[str]] = defaultdict(set)
        for service, proxy in self.proxies.items():
            for seen in proxy.requests():
                if function := re.search(r"dropnote-local-?(\w*)", seen.agent):
                    path = seen.path.replace(self.world.running.bucket, "BUCKET")
                    by_path = (name for part, name in BY_PATH.items() if part in path)
                    operation = UNNAMED.get(path) or next(by_path, seen.operation)
                    actions = TRANSACTIONS if operation == "TransactWriteItems" else {operation}
                    found[function[1] or "api_handler"] |= {f"{service}:{action}" for action in actions}
        return found

    def invoke(self, handler: str, payload: object) -> Any:
        """Run a function and wait for what it says."""
        name = f"dropnote-local-{handler}"
        answer = self.world.ministack.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload))
        told = json.loads(answer["Payload"].read() or "null")
        assert "FunctionError" not in answer, told
        return told

    def rows(self) -> list[Delivery]:
        now = utc_now()
        found = self.bot.deliverer.ledger.newest(now.replace(hour=0, minute=0), now)
        return [row for row in found if isinstance(row, Delivery)]

    def row(self, key: str, channel: Channel) -> Delivery | None:
        rows = (row for row in self.rows() if row.event.upload and row.event.upload.key == key and row.channel is channel)
        return next(rows, None)

    def wait_for(self, key: str, channel: Channel, *states: State) -> Delivery:
        assert wait_until(lambda: (row := self.row(key, channel)) and row.state in states, within_s=20), (key, self.rows())
        row = self.row(key, channel)
        assert row is not None
        return row


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    port = free_port()
    with ExitStack() as stack:
        proxies = {service: stack.enter_context(Proxy(f"http://127.0.0.1:{port}")) for service in SERVICES.values()}
        urls = {f"AWS_ENDPOINT_URL_{name}": proxies[service].url for name, service in SERVICES.items()}
        environment = {**urls, "UPLOAD_QUEUE": QUEUE}
        state = tmp_path_factory.mktemp("state")
        world = stack.enter_context(LocalEnvironment(port=port, desk_port=0, state=state, environment=environment))
        scene = Scene(world, proxies)
        an_hour_ago = msgspec.json.encode(utc_now() - timedelta(hours=2)).decode()
        scene.bot.deliverer.control._store.put("checked", an_hour_ago)  # the watch is to look at the bot itself
        yield scene


def an_event(scene: Scene, key: str) -> Event:
    upload = Upload(scene.world.running.bucket, key, 5, sequencer="0001")
    return Event(Kind.UPLOAD, identity_of("upload", key), utc_now(), REGION, upload)


def notified(scene: Scene, key: str) -> dict[str, Any]:
    told = s3_notification(s3_record(key, sequencer="0001"))
    told["Records"][0]["s3"]["bucket"]["name"] = scene.world.running.bucket
    return told


def uploads_and_receipts(scene: Scene) -> None:
    """Uploads by all three ways. One mail is refused for good, so that there is something to send again; one text does not
    arrive, and the owner hears of that from the function behind the API."""
    client = scene.world.ministack.client
    scene.proxies["ses"].fail_next(Answer(400, b'{"message": "no"}', (("x-amzn-ErrorType", "MessageRejected"),)))
    client("s3").put_object(Bucket=scene.world.running.bucket, Key="in/direct.txt", Body=b"hello")
    scene.wait_for("in/direct.txt", Channel.EMAIL, State.FAILED)
    bus = bus_event("in/bus.txt")
    bus["detail"]["bucket"]["name"] = scene.world.running.bucket
    scene.world.twilio.undeliver_to(scene.settings.people["asha"].sms)
    scene.invoke("upload_events", bus)
    scene.wait_for("in/bus.txt", Channel.SMS, State.UNDELIVERED)
    url = client("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"]
    client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(notified(scene, "in/queue.txt")))
    scene.wait_for("in/queue.txt", Channel.EMAIL, State.SENT)
    scene.wait_for("in/queue.txt", Channel.SMS, State.UNDELIVERED)


def operators(scene: Scene) -> None:
    """What people invoke."""
    scene.invoke("test", {"to": "asha"})
    refused = scene.wait_for("in/direct.txt", Channel.EMAIL, State.FAILED)
    assert "error" not in scene.invoke("resend", {"id": refused.id, "who": "asha"})
    scene.proxies["ses"].fail_next(Answer(400, b'{"message": "no"}', (("x-amzn-ErrorType", "MessageRejected"),)))
    scene.invoke("upload_dropnote_uploads", notified(scene, "in/refused.txt"))
    parked = Parked.of(Unknown("s3", "a test parked it", notified(scene, "in/parked.txt")), utc_now())
    scene.bot.deliverer.ledger.park(parked)
    assert len(scene.invoke("redrive", {"since": "1h", "who": "asha", "yes": True})["rows"]) >= 2


def wait_for_a_digest(scene: Scene) -> None:
    """Two mails that have waited for a moment which is now over."""
    deliverer, wait = scene.bot.deliverer, Deferral(Reason.QUIET, utc_now() - timedelta(hours=1), "quiet hours")
    for name in ("in/one.txt", "in/two.txt"):
        (notice, *_) = notices_for_rule(an_event(scene, name), scene.settings.rules[0])
        assert deliverer.deferrer.collect(deliverer._new(notice, None), wait, deliverer.settle)


def schedules(scene: Scene) -> None:
    """A sweep with something due, a digest and a dead event; a watch that finds the bucket's notifications overwritten."""
    scene.bot.intake.hold(an_event(scene, "in/held.txt"), Reason.OPERATOR)
    wait_for_a_digest(scene)
    client = scene.world.ministack.client
    url = client("sqs").get_queue_url(QueueName=scene.variables["DROPNOTE_DEAD_EVENTS"])["QueueUrl"]
    client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(notified(scene, "in/dead.txt")))
    scene.invoke("sweep", {})
    assert scene.row("in/dead.txt", Channel.EMAIL)
    assert any(row.event.digest and row.state is State.SENT for row in scene.rows())
    monitors_anew(scene)
    bucket = scene.world.running.bucket
    client("s3").delete_object(Bucket=bucket, Key=FEED)
    client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    assert scene.invoke("watch", {})["troubles"] == 1


def monitors_anew(scene: Scene) -> None:
    """As if nobody had looked yet: then all are due."""
    dynamodb, table = scene.world.ministack.client("dynamodb"), scene.variables["DROPNOTE_LEDGER"]
    wanted = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "standing"}}}
    for item in dynamodb.query(TableName=table, **wanted)["Items"]:
        dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})


def monitors_and_tasks(scene: Scene) -> None:
    """What breaks and is mended in the local world's story, and what is asked for by name."""
    assert len(list(play_incidents(scene.world.running))) > 5
    assert scene.invoke("send", {"to": ["asha"], "words": {"text": "hello"}})["deliveries"]
    deliverer, wait = scene.bot.deliverer, Deferral(Reason.QUIET, utc_now() + timedelta(hours=1), "quiet hours")
    (notice, *_) = notices_for_rule(an_event(scene, "in/later.txt"), scene.settings.rules[0])
    assert deliverer.deferrer.collect(deliverer._new(notice, None), wait, deliverer.settle)
    assert scene.invoke("digest_now", {"who": notice.recipient.person.name})["digests"] == 1
    assert wait_until(lambda: not missing(subjects(scene)), within_s=30), missing(subjects(scene))


def subjects(scene: Scene) -> list[str]:
    """Of all mails that arrived."""
    return [mail["subject"] for mail in requests.get(f"{scene.world.running.desk}/inbox.json", timeout=5).json()["mails"]]


def counts(scene: Scene) -> None:
    """What was sent reaches the function that counts, by the stream; then so much that a budget is used up."""
    counters = Counters(scene.world.ministack.client("dynamodb"), scene.variables["DROPNOTE_COUNTERS"])
    now = utc_now()
    assert wait_until(lambda: counters.sent_of("asha", now - timedelta(hours=1), now + timedelta(hours=1)), within_s=20)
    texts = some_sent(100, now, channel=Channel.SMS, segments=2)
    assert scene.invoke("count", batch(*texts)) == {"batchItemFailures": []}
    assert "person asha: segments per day" in scene.bot.deliverer.control.now().tripped


def test_each_function_does_all_it_may(scene: Scene) -> None:
    """What it does and may not has failed by then: the local world checks each call."""
    uploads_and_receipts(scene)
    operators(scene)
    monitors_and_tasks(scene)
    schedules(scene)
    counts(scene)
    used = scene.used()
    for function, grants in granted(scene).items():
        asked = {action for grant in grants if grant.by == "function" for action in grant.actions}
        assert asked == used[function], function


def test_what_lambda_may_in_a_functions_name_is_bound(scene: Scene) -> None:
    """Its calls pass no proxy of ours; that it is asked to make them can be seen."""
    client = scene.world.ministack.client("lambda")
    for function, grants in granted(scene).items():
        name = "dropnote-local" + ("" if function == "api_handler" else f"-{function}")
        for grant in (grant for grant in grants if grant.by == "lambda"):
            if "sqs:SendMessage" in grant.actions:
                told = client.get_function_event_invoke_config(FunctionName=name)
                assert [told["DestinationConfig"]["OnFailure"]["Destination"]] == list(grant.resources)
            else:
                mappings = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
                assert [mapping["EventSourceArn"] for mapping in mappings] == list(grant.resources)


def test_every_function_has_a_role_of_its_own_with_its_policy(scene: Scene) -> None:
    functions, iam = scene.world.ministack.client("lambda"), scene.world.ministack.client("iam")
    roles = {}
    for function, policy in policies(scene.settings, scene.variables, Place("local", ACCOUNT, REGION)).items():
        name = "dropnote-local" + ("" if function == "api_handler" else f"-{function}")
        roles[function] = functions.get_function_configuration(FunctionName=name)["Role"].rpartition("/")[2]
        (only,) = iam.list_role_policies(RoleName=roles[function])["PolicyNames"]
        there = iam.get_role_policy(RoleName=roles[function], PolicyName=only)["PolicyDocument"]
        assert there == policy, function
    assert len(set(roles.values())) == len(roles)
    deployed = {each["FunctionName"] for each in functions.list_functions()["Functions"]}
    assert len(deployed) == len(roles)


def granted(scene: Scene) -> dict[str, list[Grant]]:
    return Grants(scene.settings, scene.variables, Place("local", ACCOUNT, REGION)).of_functions()


def test_no_policy_has_a_star_for_an_action_or_for_a_resource_that_can_be_named(scene: Scene) -> None:
    place = Place("local", ACCOUNT, REGION)
    for name, policy in policies(scene.settings, scene.variables, place).items():
        for statement in policy["Statement"]:
            assert not any("*" in action for action in statement["Action"]), name
            if statement["Action"] not in (["ses:GetAccount"], ["cloudwatch:GetMetricData"]) and statement["Sid"] != "Logs":
                assert not any("*" in resource for resource in statement["Resource"]), name
