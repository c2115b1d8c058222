"""The CORS rule that lets a page upload to a bucket from the browser. Rules of others are never changed.

Source: Amazon S3 user guide, "Using cross-origin resource sharing (CORS)" and "Elements of a CORS configuration" (the first rule
that matches applies; up to 100 rules; one * in an origin).
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

MAX_RULES = 100

Rule = Mapping[str, Any]


def read_rules(client: Any, bucket: str) -> list[Rule]:
    """Return a bucket's rules. Other errors than a missing configuration propagate."""
    try:
        return list(client.get_bucket_cors(Bucket=bucket)["CORSRules"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchCORSConfiguration":
            raise
        return []


def allows(rules: Sequence[Rule], origin: str) -> bool:
    """Whether a page of an origin may upload."""
    return any(
        "POST" in rule["AllowedMethods"] and any(fnmatchcase(origin, allowed) for allowed in rule["AllowedOrigins"])
        for rule in rules
    )


def rule_for(*origins: str) -> Rule:
    """The rule that we add: these pages may POST, and may not read anything."""
    return {"AllowedOrigins": list(origins), "AllowedMethods": ["POST"], "AllowedHeaders": ["*"], "MaxAgeSeconds": 3000}


def add_rule(client: Any, bucket: str, rules: Sequence[Rule], rule: Rule) -> None:
    """Add a rule after those that are there. Errors propagate."""
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [*rules, rule]})
