"""Checks mail by SES: whether the account can send, from which sender and to whom.

Source: Amazon SES API v2 reference, "GetAccount", "GetEmailIdentity", "ListEmailIdentities"; developer guide, "Request
production access" and "Verified identities": an identity belongs to one region.
"""

from collections.abc import Iterator
from email.utils import parseaddr
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import Session

from chalicelib.domain.settings import Settings
from chalicelib.health import rules as health_rules
from chalicelib.health.rules import Problem

from ..account import Account


def by_ses(settings: Settings) -> bool:
    """Whether mail is sent by SES."""
    return settings.email is not None and settings.email.transport == "ses"


def region(account: Account) -> Iterator[Problem]:
    """Check that the region of the functions has SES."""
    here = account.client("sesv2").meta.region_name
    known = Session().get_available_regions("sesv2")
    if here not in known and not any(here in Session().get_available_regions("sesv2", name) for name in ("aws-us-gov", "aws-cn")):
        what = f"Amazon SES is not available in {here}, according to this machine's botocore."
        yield Problem("mail", "region", what, f'deploy to {known[0]} or another region with SES, or set transport = "smtp"')


def sending(account: Account) -> Iterator[Problem]:
    """Check that the account may send and has quota left today."""
    client = account.client("sesv2")
    yield from health_rules.mail(client.get_account(), client.meta.region_name)


def quota(account: Account) -> str:
    """Return the account's rate and quota, such as "14 per second, 50,000 in 24 hours"."""
    allowed = account.client("sesv2").get_account().get("SendQuota", {})
    maximum = allowed.get("Max24HourSend", -1.0)
    return f"{allowed.get('MaxSendRate', 0.0):g} per second, " + (
        f"{maximum:,.0f} in 24 hours" if maximum >= 0 else "no daily quota"
    )


def sender(account: Account) -> Iterator[Problem]:
    """Check that the sender's address or its domain is verified in this region."""
    client, address = account.client("sesv2"), _sender(account.settings)
    here, domain = client.meta.region_name, address.rpartition("@")[2]
    identities = {name: identity for name in (address, domain) if (identity := _identity(client, name)) is not None}
    if not identities:
        what = f"SES in {here} has no identity {address} or {domain}; identities of other regions do not count."
        advice = (
            f"aws sesv2 create-email-identity --email-identity {domain}, then publish the three DKIM records it returns; "
            f"or use {address} instead of {domain} and follow the link in the mail you receive"
        )
        yield Problem("mail", "sender", what, advice)
        return
    if not any(identity["VerifiedForSendingStatus"] for identity in identities.values()):
        advice = "publish the domain's DKIM records, or follow the link in the mail to the address (valid for 24 hours)"
        what = f"{' and '.join(identities)} in {here}: not verified yet, so no mail can be sent from {address}."
        yield Problem("mail", "sender", what, advice)
    dkim = identities.get(domain, {}).get("DkimAttributes", {}).get("Status", "SUCCESS")
    if dkim != "SUCCESS":
        what = f"The DKIM records of {domain} are not valid (SES status: {dkim}): mail may be marked as spam."
        tokens = f"aws sesv2 get-email-identity --email-identity {domain} shows three tokens"
        advice = f"{tokens}; for each, publish a CNAME record TOKEN._domainkey.{domain} that points to TOKEN.dkim.amazonses.com"
        yield Problem("mail", "dkim", what, advice)


def recipients(account: Account) -> Iterator[Problem]:
    """Check that the account is out of the sandbox, in which only verified addresses receive mail."""
    client = account.client("sesv2")
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


def _sender(settings: Settings) -> str:
    return parseaddr(settings.email.from_)[1] if settings.email else ""


def _identity(client: Any, name: str) -> dict[str, Any] | None:
    try:
        identity: dict[str, Any] = client.get_email_identity(EmailIdentity=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFoundException":
            return None
        raise
    return identity


def _verified(client: Any) -> Iterator[str]:
    page: dict[str, Any] = {}
    while True:
        page = client.list_email_identities(PageSize=1000, **({"NextToken": page["NextToken"]} if page else {}))
        for identity in page["EmailIdentities"]:
            if identity.get("VerificationStatus", "SUCCESS") == "SUCCESS":
                yield identity["IdentityName"].lower()
        if not page.get("NextToken"):
            return
