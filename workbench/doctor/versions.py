"""Checks that buckets keep the versions that rules ask about with `previous`.

Source: Amazon S3 API reference, "GetBucketVersioning" (no Status: versioning was never enabled).
"""

from collections.abc import Iterator

from chalicelib.domain.filters.upload import Fact
from chalicelib.domain.settings import Settings
from chalicelib.health.rules import Problem

from ..account import Account


def asked_for(settings: Settings) -> bool:
    """Whether a rule asks about replaced versions."""
    return bool(_rules_by_bucket(settings))


def kept(account: Account) -> Iterator[Problem]:
    """Find buckets without versioning: their rules cannot tell new keys from replaced ones, and match both."""
    for bucket, rules in _rules_by_bucket(account.settings).items():
        status = account.client("s3").get_bucket_versioning(Bucket=bucket).get("Status")
        if status != "Enabled":
            what = f"{bucket} keeps no versions, so `previous` of {', '.join(rules)} matches every upload."
            enable = f"aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
            yield Problem("versions", bucket, what, f"{enable}; or remove previous from the rule")


def _rules_by_bucket(settings: Settings) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for rule in settings.rules:
        if rule.filter and Fact.PREVIOUS in rule.filter.facts:
            found.setdefault(rule.bucket, []).append(rule.name)
    return found
