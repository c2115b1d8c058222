"""Checks mail by SES: whether the account can send, from which sender and to whom.

Source: Amazon SES API v2 reference, "GetAccount", "ListEmailIdentities"; developer guide, "Request production access" and
"Verified identities": an identity belongs to one region; IAM API reference, "SimulatePrincipalPolicy".
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import Session

from chalicelib.health import rules as health_rules
from chalicelib.health.rules import Problem
from chalicelib.platform.function_names import MAIL_SET

from ..account import Account
from ..deployment.grants import Grants, StageLocation
from ..deployment.identities import (
    configuration_sets,
    describe_sender,
    find_identities,
    identity_names,
    own_set,
    reporting_command,
    reports_to,
    sender_address,
    ses_client,
    verified_identity,
    with_mail_events,
)
from ..deployment.replies.reports import DOCS, is_subscribed, subscribe_command, topic_region
from ..deployment.stack import Stack
from .deployed import functions, name_of

_UNHEARD = "bounces and complaints go unnoticed, and mails stay `sent`."


def region(account: Account) -> Iterator[Problem]:
    """Check that the region of the functions has SES."""
    here = _ses(account).meta.region_name
    session = Session()
    known = session.get_available_regions("sesv2")
    if not any(here in session.get_available_regions("sesv2", name) for name in session.get_available_partitions()):
        what = f"Amazon SES is not available in {here}, according to this machine's botocore."
        advice = f'set region = "{known[0]}", or another region with SES, in [email], or transport = "smtp"'
        yield Problem("mail", "region", what, advice)


def sending(account: Account) -> Iterator[Problem]:
    """Check that the account may send and has quota left today."""
    client = _ses(account)
    yield from health_rules.mail(client.get_account(), client.meta.region_name)


def quota(account: Account) -> str:
    """Return the account's rate and quota, such as "14 per second, 50,000 in 24 hours"."""
    allowed = _ses(account).get_account().get("SendQuota", {})
    maximum = allowed.get("Max24HourSend", -1.0)
    return f"{allowed.get('MaxSendRate', 0.0):g} per second, " + (
        f"{maximum:,.0f} in 24 hours" if maximum >= 0 else "no daily quota"
    )


def sender(account: Account) -> Iterator[Problem]:
    """Check that the sender's address, its domain or a parent domain is verified in this region."""
    client, address = _ses(account), sender_address(account.settings)
    here, (_, domain, *parents) = client.meta.region_name, identity_names(address)
    identities = find_identities(client, address)
    if not identities:
        names = " or ".join([address, domain, *parents])
        what = f"SES in {here} has no identity {names}; identities of other regions do not count."
        advice = (
            f"aws sesv2 create-email-identity --email-identity {domain}, then publish the three DKIM records it returns; "
            f"or use {address} instead of {domain} and follow the link in the mail you receive; "
            "or set region in [email] to the region that has the identity"
        )
        yield Problem("mail", "sender", what, advice)
        return
    if not verified_identity(identities):
        advice = "publish the domain's DKIM records, or follow the link in the mail to the address (valid for 24 hours)"
        what = f"{' and '.join(identities)} in {here}: not verified yet, so no mail can be sent from {address}."
        yield Problem("mail", "sender", what, advice)
    signing = next((name for name in (domain, *parents) if name in identities), "")  # the domain whose keys sign the mail
    dkim = identities.get(signing, {}).get("DkimAttributes", {}).get("Status", "SUCCESS")
    if dkim != "SUCCESS":
        what = f"The DKIM records of {signing} are not valid (SES status: {dkim}): mail may be marked as spam."
        tokens = f"aws sesv2 get-email-identity --email-identity {signing} shows three tokens"
        advice = f"{tokens}; for each, publish a CNAME record TOKEN._domainkey.{signing} that points to TOKEN.dkim.amazonses.com"
        yield Problem("mail", "dkim", what, advice)


def found_sender(account: Account) -> str:
    """Return which identity is verified, and its default configuration set."""
    client, address = _ses(account), sender_address(account.settings)
    return describe_sender(find_identities(client, address), address, client.meta.region_name)


def permission(account: Account) -> Iterator[Problem]:
    """Check that the functions' role may send as the sender: a configuration set that became the default needs permission too."""
    client, address = _ses(account), sender_address(account.settings)
    own = name_of(account, "sweep")
    function = next((function for function in functions(account) if function["FunctionName"] == own), None)
    if function is None:
        return
    _, partition, _, region, account_id, *_ = function["FunctionArn"].split(":")
    identities = find_identities(client, address)
    location = StageLocation(account.stage, account_id, region, partition, configuration_sets=configuration_sets(identities))
    (mail,) = Grants(account.settings, account.variables, location).mail()
    sets = {*location.configuration_sets, account.variables.get(MAIL_SET, "")}
    needed = [arn for arn in mail.resources if _resource(arn) in {*identities, *sets}]
    denied = [_resource(arn) for arn in needed if not _allowed(account.client("iam"), function["Role"], arn)]
    if denied:
        what = f"The functions may not send mail with {' and '.join(denied)}: SES will deny it."
        advice = f"dropnote setup --stage {account.stage}, then chalice deploy --stage {account.stage}"
        yield Problem("mail", "permission", what, advice)


def events(account: Account) -> Iterator[Problem]:
    """Check that SES reports bounces and complaints to this stage: a topic, what publishes to it, the function behind it."""
    settings, stage, client = account.settings, account.stage, _ses(account)
    if settings.email and settings.email.events_topic:
        yield from _reports(account, settings.email.events_topic)
    if not with_mail_events(settings, account.client("sns").meta.region_name):
        return
    topic = Stack(account.client("cloudformation"), stage).outputs().get("MailTopicArn", "")
    setup = f"dropnote setup --stage {stage}, then chalice deploy and dropnote finish" if stage != "local" else "restart make run"
    if not topic:
        yield Problem("mail", "events", f"SES does not report what became of mails: {_UNHEARD}", setup)
        return
    sets = configuration_sets(find_identities(client, sender_address(settings)))
    for name in sets or (own_set(stage),):
        if not reports_to(client, name, topic):
            what = f"The configuration set {name} does not report to this stage: {_UNHEARD}"
            yield Problem("mail", "events", what, reporting_command(stage, name, topic) if sets else setup)
    if not _subscribed(account.client("sns"), topic, name_of(account, "mail_events")):
        yield Problem("mail", "events", f"No function receives what SES reports: {_UNHEARD}", setup)


def _reports(account: Account, topic: str) -> Iterator[Problem]:
    """Check what SES reports to a topic in another region or account, and that SNS sends it here."""
    stage, client, region = account.stage, _ses(account), topic_region(topic)
    sets = configuration_sets(find_identities(client, sender_address(account.settings)))
    if not sets:
        what = f"The sender's identity has no default configuration set that could report to {topic}: {_UNHEARD}"
        yield Problem("mail", "events", what, f"give it one: {DOCS}")
    for name in [name for name in sets if not reports_to(client, name, topic)]:
        what = f"The configuration set {name} does not report to {topic}: {_UNHEARD}"
        yield Problem("mail", "events", what, f"{reporting_command(stage, name, topic)} --region {region}")
    secrets = account.bot().secrets
    public_url = secrets.public_url() if secrets else ""
    if public_url and is_subscribed(account.client, topic, public_url) is False:
        what = f"SNS does not send here what SES reports to {topic}: {_UNHEARD}"
        yield Problem("mail", "events", what, subscribe_command(topic, public_url))


def events_are_off(account: Account) -> str:
    """Return why SES reports nothing here, if it cannot; "" if it does."""
    settings, here = account.settings, account.client("sns").meta.region_name
    if with_mail_events(settings, here) or (settings.email and settings.email.events_topic):
        return ""
    return f"not used: SES is in another region than the functions; to use it: {DOCS}"


def _subscribed(sns: Any, topic: str, function: str) -> bool:
    try:
        pages = list(sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NotFound", "NotFoundException"):
            return False
        raise
    return any(entry["Endpoint"].endswith(f":{function}") for page in pages for entry in page["Subscriptions"])


def _resource(arn: str) -> str:
    return arn.rpartition("/")[2]


def _allowed(iam: Any, role: str, arn: str) -> bool:
    """Whether the role's own policies allow sending with an identity or a configuration set."""
    simulated = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=["ses:SendEmail"], ResourceArns=[arn])
    return all(result["EvalDecision"] == "allowed" for result in simulated["EvaluationResults"])


def recipients(account: Account) -> Iterator[Problem]:
    """Check that the account is out of the sandbox, in which only verified addresses receive mail."""
    client = _ses(account)
    if client.get_account().get("ProductionAccessEnabled", False):
        return
    here, verified = client.meta.region_name, set(_verified(client))
    people = [person for person in account.settings.people.values() if person.email]
    excluded = [
        person.name for person in people if not {person.email.lower(), person.email.rpartition("@")[2].lower()} & verified
    ]
    effect = f"{', '.join(excluded)} will receive no mail" if excluded else "all of your people are verified"
    advice = (
        "aws sesv2 put-account-details --production-access-enabled --mail-type TRANSACTIONAL --website-url https://YOUR-SITE "
        "(Amazon replies within a day); until then, for each person: aws sesv2 create-email-identity --email-identity ADDRESS"
    )
    what = f"SES is in the sandbox in {here}: only verified addresses receive mail, at most 200 a day; {effect}."
    yield Problem("mail", "sandbox", what, advice)


def _ses(account: Account) -> Any:
    return ses_client(account.client, account.settings)


def _verified(client: Any) -> Iterator[str]:
    page: dict[str, Any] = {}
    while True:
        page = client.list_email_identities(PageSize=1000, **({"NextToken": page["NextToken"]} if page else {}))
        for identity in page["EmailIdentities"]:
            if identity.get("VerificationStatus", "SUCCESS") == "SUCCESS":
                yield identity["IdentityName"].lower()
        if not page.get("NextToken"):
            return
