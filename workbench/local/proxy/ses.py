"""What SES responds when an account sends too fast or has used up its quota, for a proxy in front of a local SES.

    proxy.fail_while(lambda request: request.operation == "SendEmail", QUOTA_EXHAUSTED)

Sources: Amazon SES API v2 reference, "SendEmail" (errors); Amazon SES developer guide, "Errors related to the sending quotas"
(the messages; it names the error ThrottlingException).
"""

import json

from .server import Answer


def ses_error(status: int, code: str, message: str) -> Answer:
    """An error response of the SES API v2."""
    headers = (("x-amzn-ErrorType", code), ("Content-Type", "application/json"))
    return Answer(status, json.dumps({"message": message}).encode(), headers)


THROTTLED = ses_error(429, "TooManyRequestsException", "Maximum sending rate exceeded.")
QUOTA_EXHAUSTED = ses_error(429, "TooManyRequestsException", "Daily message quota exceeded.")
