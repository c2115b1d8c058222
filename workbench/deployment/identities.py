"""Finds the SES identities that a sender's mail is sent with, and what else a function needs permission for.

Source: Amazon SES developer guide, "Creating and verifying identities in Amazon SES" (a verified domain includes its addresses
and its subdomains at any depth) and "Understanding default configuration sets"; Amazon SES API v2 reference, "GetEmailIdentity";
Service Authorization Reference, "Amazon Simple Email Service v2" (SendEmail: identity and configuration-set).
"""

from collections.abc import Callable, Mapping, Sequence
from email.utils import parseaddr
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.settings import Settings
from chalicelib.platform.function_names import MAIL_EVENTS, MAIL_SET


def by_ses(settings: Settings) -> bool:
    """Whether mail is sent by SES."""
    return settings.email is not None and settings.email.transport == "ses"


def sender_address(settings: Settings) -> str:
    """The address that mail comes from; "" without e-mail."""
    return parseaddr(settings.email.from_)[1] if settings.email else ""


def identity_names(address: str) -> list[str]:
    """The identities that allow mail from an address: itself, its domain and each parent domain.

    A policy has to name the one that SES finds. AWS does not say which that is if only a parent is verified, and users saw
    denials that name the address and others that name the domain (aws-samples/aws-serverless-batch-architecture issue 1,
    civiform/civiform issue 4081). So policies name all of them: sending works whichever is verified now or later.
    """
    domain = address.rpartition("@")[2].lower()
    labels = domain.split(".")
    return [address, domain, *(".".join(labels[start:]) for start in range(1, len(labels) - 1))]


def ses_client(client: Callable[..., Any], settings: Settings) -> Any:
    """An SES client in the region that mail is sent from."""
    region = settings.email.region if settings.email else ""
    return client("sesv2", **({"region_name": region} if region else {}))


def find_identities(ses: Any, address: str) -> dict[str, Mapping[str, Any]]:
    """The identities of an address that the account has in the client's region, the most specific first."""
    found = {name: _identity(ses, name) for name in identity_names(address)}
    return {name: identity for name, identity in found.items() if identity is not None}


def verified_identity(identities: Mapping[str, Mapping[str, Any]]) -> str:
    """The most specific identity that is verified; "" if none is."""
    return next((name for name, identity in identities.items() if identity.get("VerifiedForSendingStatus")), "")


def configuration_sets(identities: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The default configuration sets of these identities: SendEmail needs permission for the one it uses."""
    return tuple(dict.fromkeys(str(name) for identity in identities.values() if (name := identity.get("ConfigurationSetName"))))


def describe_sender(identities: Mapping[str, Mapping[str, Any]], address: str, region: str) -> str:
    """What SES has for a sender, in one line: for set-up and the doctor."""
    verified = verified_identity(identities)
    if not verified:
        state = f"{', '.join(identities)}: not verified yet" if identities else "no identity; verify its domain or the address"
        return f"mail from {address}: {state} (SES in {region})"
    sets = configuration_sets(identities)
    default = f", default configuration set {' and '.join(sets)}" if sets else ""
    return f"mail from {address}: verified as {verified}{default} (SES in {region})"


def own_set(stage: str) -> str:
    """The configuration set that the stack creates for a stage."""
    return f"dropnote-{stage}"


def with_mail_events(settings: Settings, region: str) -> bool:
    """Whether SES can report what became of a mail: to a topic in its own region, which must be that of the functions.

    Source: Amazon SES developer guide, "Set up an Amazon SNS event destination for event publishing".
    """
    return by_ses(settings) and (settings.email.region if settings.email else "") in ("", region)


def mail_event_variables(stage: str, topic: str, default_sets: Sequence[str]) -> dict[str, str]:
    """The environment variables of mail events: our topic, and our configuration set unless an identity has a default one, which
    may have a dedicated IP pool, a tracking domain or rules of its own. `topic` is its ARN; "" if there is none.
    """
    return {MAIL_EVENTS: topic, MAIL_SET: own_set(stage) if topic and not default_sets else ""}


def reports_to(ses: Any, set_name: str, topic: str) -> bool:
    """Whether a configuration set publishes bounces and complaints to a topic. False if it does not exist."""
    try:
        destinations = ses.get_configuration_set_event_destinations(ConfigurationSetName=set_name).get("EventDestinations", [])
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFoundException":
            return False
        raise
    return any(
        destination.get("Enabled")
        and {"BOUNCE", "COMPLAINT"} <= set(destination["MatchingEventTypes"])
        and destination.get("SnsDestination", {}).get("TopicArn") == topic
        for destination in destinations
    )


def reporting_command(stage: str, set_name: str, topic: str) -> str:
    """The command that lets a user's own configuration set report to our topic as well. It changes nothing else of the set."""
    events = "MatchingEventTypes=DELIVERY,BOUNCE,COMPLAINT,REJECT"
    destination = f"Enabled=true,{events},SnsDestination={{TopicArn={topic}}}"
    return (
        f"aws sesv2 create-configuration-set-event-destination --configuration-set-name {set_name} "
        f"--event-destination-name {own_set(stage)} --event-destination '{destination}'"
    )


def _identity(ses: Any, name: str) -> Mapping[str, Any] | None:
    try:
        identity: Mapping[str, Any] = ses.get_email_identity(EmailIdentity=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFoundException":
            return None
        raise
    return identity
