"""What SES reports through a topic in another region or account, to which SNS cannot subscribe a function of the stage.

It is created by hand, once: set-up's stack and its permissions end at the stage's own region.
Source: Amazon SES developer guide, "Set up an Amazon SNS event destination for event publishing"; Amazon SNS API reference,
"Subscribe", "ListSubscriptionsByTopic" (without an ARN until it is confirmed), "SetTopicAttributes" (SignatureVersion).
"""

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.channels.ses_events import HTTPS_PATH
from chalicelib.domain.settings import Settings

from .. import identities
from ..grants import StageLocation

Client = Callable[..., Any]
DOCS = "docs/replies.md#ses-in-another-region"


def report_lines(client: Client, settings: Settings, location: StageLocation, public_url: str) -> list[str]:
    """What `finish` says about it: nothing, what is left to do with the commands for it, or that reports arrive."""
    if not identities.by_ses(settings) or settings.email is None:
        return []
    topic = settings.email.events_topic
    if topic:
        if is_subscribed(client, topic, public_url):
            return [f"mail reports: from {topic}"]
        return [f"mail reports: to receive those of {topic}, run once: {subscribe_command(topic, public_url)}"]
    if identities.with_mail_events(settings, location.region):
        return []
    ses = identities.ses_client(client, settings)
    sender = identities.sender_address(settings)
    identity = identities.verified_identity(identities.find_identities(ses, sender)) or sender
    commands = topic_commands(location, ses.meta.region_name, identity)
    first = f"mail reports: none, because SES is in {ses.meta.region_name}; to get them ({DOCS}), run once:"
    set_field = (
        f'then set events_topic = "{_topic(location, ses.meta.region_name)}" in [email], and set up, deploy and finish again'
    )
    return [first, *commands, set_field]


def topic_commands(location: StageLocation, region: str, identity: str) -> list[str]:
    """The commands that let SES in another region report to a topic there. Only SES may publish, only for this account.

    An identity's default configuration set is kept, and only gets a destination more.
    """
    stage, topic, there = location.stage, _topic(location, region), f"--region {region}"
    own = identities.own_set(stage)
    source = {"aws:SourceAccount": location.account}
    allow = {"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**allow, "Condition": {"StringEquals": source}}]})
    attribute = f"aws sns set-topic-attributes --topic-arn {topic} --attribute-name"
    commands = [
        f"aws sns create-topic --name {own}-mail-events {there}",
        f"{attribute} Policy --attribute-value '{policy}' {there}",
        f"{attribute} SignatureVersion --attribute-value 2 {there}",
    ]
    if not location.configuration_sets:
        commands += [
            f"aws sesv2 create-configuration-set --configuration-set-name {own} {there}",
            f"aws sesv2 put-email-identity-configuration-set-attributes --email-identity {identity} "
            f"--configuration-set-name {own} {there}",
        ]
    sets = location.configuration_sets or (own,)
    return commands + [f"{identities.reporting_command(stage, name, topic)} {there}" for name in sets]


def subscribe_command(topic: str, public_url: str) -> str:
    """The command that subscribes the stage to the topic. The stage confirms the subscription itself."""
    return (
        f"aws sns subscribe --topic-arn {topic} --protocol https --notification-endpoint {public_url}{HTTPS_PATH} "
        f"--region {topic_region(topic)}"
    )


def is_subscribed(client: Client, topic: str, public_url: str) -> bool | None:
    """Whether the stage's subscription to the topic is confirmed; None if another account does not let us read it."""
    try:
        sns = client("sns", region_name=topic_region(topic))
        pages = list(sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NotFound", "NotFoundException"):
            return False
        return None
    subscriptions = [each for page in pages for each in page["Subscriptions"] if each["Endpoint"] == public_url + HTTPS_PATH]
    return any(each["SubscriptionArn"].startswith("arn:") for each in subscriptions)


def topic_region(topic: str) -> str:
    """The region of a topic."""
    return topic.split(":")[3]


def _topic(location: StageLocation, region: str) -> str:
    return f"arn:{location.partition}:sns:{region}:{location.account}:{identities.own_set(location.stage)}-mail-events"
