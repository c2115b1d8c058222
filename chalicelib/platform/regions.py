"""Names of AWS regions, and the console of a region in its partition.

Source: AWS General Reference, "AWS service endpoints"; Getting Started with Amazon Web Services in China, "Endpoints and ARNs";
AWS GovCloud (US) user guide, "Service endpoints"; botocore's endpoint data (partitions and their regions).
"""

import re

REGION = re.compile(r"[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}")
_CONSOLES = (("cn-", "console.amazonaws.cn"), ("us-gov-", "console.amazonaws-us-gov.com"))
_UNLISTED = ("eusc-", "us-iso", "eu-iso")  # their consoles' names are on no page that we can check: no links


def console_url(page: str, region: str) -> str:
    """The URL of a page of the AWS console in a region; "" without a page, or for an invalid or unlisted region."""
    if not page or not REGION.fullmatch(region) or region.startswith(_UNLISTED):
        return ""
    host = next((host for prefix, host in _CONSOLES if region.startswith(prefix)), "console.aws.amazon.com")
    return f"https://{region}.{host}/{page}"
