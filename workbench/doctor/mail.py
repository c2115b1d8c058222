"""Mail by SES: may the account send, as whom, and to whom.

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
    """Whether mail goes by SES."""
    return settings.email is not None and settings.email.transport == "ses"


def region(account: Account) -> Iterator[Problem]:
    """Is there an SES where the functions are?"""
    here = account.client("sesv2").meta.region_name
    known = Session().get_available_regions("sesv2")
    if here not in known and not any(here in Session().get_available_regions("sesv2", name) for name in ("aws-us-gov", "aws-cn")):
        what = f"Amazon SES is not in {here}, as far as this machine's botocore knows."
        yield Problem("mail", "region", what, f'deploy to {known[0]} or another of its regions, or say transport = "smtp"')


def sending(account: Account) -> Iterator[Problem]:
    """May the account send, and more today?"""
    client = account.client("sesv2")
    yield from health_rules.mail(client.get_account(), client.meta.region_name)


def sender(account: Account) -> Iterator[Problem]:
    """Is the sender's address verified here, by itself or by its domain?"""
    client, address = account.client("sesv2"), _sender(account.settings)
    here, domain = client.meta.region_name, address.rpartition("@")[2]
    found = {name: told for name in (address, domain) if (told := _identity(client, name)) is not None}
    if not found:
        what = f"SES knows neither {address} nor {domain} in {here}; an identity of another region does not count."
        how = (
            f"aws sesv2 create-email-identity --email-identity {domain}, and publish the three DKIM records it answers with; "
            f"or {address} instead of {domain}, and follow the link in the mail that comes"
        )
        yield Problem("mail", "sender", what, how)
        return
    if not any(told["VerifiedForSendingStatus"] for told in found.values()):
        named = " and ".join(found)
        how = "publish the DKIM records of the domain, or follow the link in the mail to the address (it is good for 24 hours)"
        yield Problem("mail", "sender", f"{named} in {here}: not verified yet, and no mail goes out as {address}.", how)
    dkim = found.get(domain, {}).get("DkimAttributes", {}).get("Status", "SUCCESS")
    if dkim != "SUCCESS":
        what = f"The DKIM records of {domain} are not in order (SES says {dkim}): mail may land in the junk folder."
        tokens = f"aws sesv2 get-email-identity --email-identity {domain} shows three tokens"
        how = f"{tokens}; publish a CNAME TOKEN._domainkey.{domain} for each, to TOKEN.dkim.amazonses.com"
        yield Problem("mail", "dkim", what, how)


def recipients(account: Account) -> Iterator[Problem]:
    """In the sandbox only verified addresses get mail."""
    client = account.client("sesv2")
    if client.get_account().get("ProductionAccessEnabled", False):
        return
    here, verified = client.meta.region_name, set(_verified(client))
    people = [person for person in account.settings.people.values() if person.email]
    unknown = [each.name for each in people if not {each.email.lower(), each.email.rpartition("@")[2].lower()} & verified]
    who = f"{', '.join(unknown)} will get no mail" if unknown else "of your people all are"
    how = (
        "aws sesv2 put-account-details --production-access-enabled --mail-type TRANSACTIONAL --website-url https://YOUR-SITE "
        "(Amazon answers within a day); until then, for each of them: aws sesv2 create-email-identity --email-identity ADDRESS"
    )
    what = f"SES is in its sandbox in {here}: only verified addresses get mail, 200 a day; {who}."
    yield Problem("mail", "sandbox", what, how)


def _sender(settings: Settings) -> str:
    return parseaddr(settings.email.from_)[1] if settings.email else ""


def _identity(client: Any, name: str) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = client.get_email_identity(EmailIdentity=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFoundException":
            return None
        raise
    return told


def _verified(client: Any) -> Iterator[str]:
    page: dict[str, Any] = {}
    while True:
        page = client.list_email_identities(PageSize=1000, **({"NextToken": page["NextToken"]} if page else {}))
        for identity in page["EmailIdentities"]:
            if identity.get("VerificationStatus", "SUCCESS") == "SUCCESS":
                yield identity["IdentityName"].lower()
        if not page.get("NextToken"):
            return
