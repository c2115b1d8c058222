"""Stable names for the deployed functions. Renaming one would leave the old function deployed and still triggered."""

import hashlib

# Of a Lambda function name's 64 characters, "dropnote-<stage>-" takes 16 for a stage of six letters. For a longer stage,
# workbench/deployment/limits.py says so before a deploy: a shorter limit here would rename the functions of existing stages.
MAX_LENGTH = 48
STREAM = "DROPNOTE_STREAM"  # the environment variable that names the stream of the ledger's table
MAIL_EVENTS = "DROPNOTE_MAIL_EVENTS"  # the one that names the topic to which SES publishes what became of our mails
MAIL_SET = "DROPNOTE_CONFIGURATION_SET"  # the one that names the configuration set of our mails; "" for the identity's default


def stream_variable(table: str) -> str:
    """The environment variable that names a table's stream: DROPNOTE_STREAM_ORDERS, with a hash if characters are replaced.

    Orders, ORDERS and orders are three tables (Amazon DynamoDB developer guide, "Naming rules": case-sensitive).
    """
    plain = "".join(character.upper() if character.isalnum() else "_" for character in table)
    ambiguous = table != plain.lower()
    return f"{STREAM}_{plain}" + (f"_{hashlib.sha256(table.encode()).hexdigest()[:6].upper()}" if ambiguous else "")


def function_name(prefix: str, source: str) -> str:
    """The name of the function bound to a bucket or a table: upload_acme_drops for acme-drops.

    "-" becomes "_" and "." becomes "D". Bucket names contain neither "_" nor "D", so two buckets never share a function. Table
    names may contain both; a hash then keeps the name unique, as it does if the name is too long or has capitals (the
    function's role has the same name, and IAM ignores case). (AWS Lambda API reference, "CreateFunction": 64 characters, and
    Chalice accepts [A-Za-z0-9_]; IAM user guide, "IAM and AWS STS quotas": role names are unique regardless of case.)
    """
    name = f"{prefix}_{source.replace('-', '_').replace('.', 'D')}"
    if len(name) <= MAX_LENGTH and "_" not in source and source == source.lower():
        return name
    return f"{name[: MAX_LENGTH - 9]}_{hashlib.sha256(source.encode()).hexdigest()[:8]}"


def topic_function(arn: str) -> str:
    """The name of the function that a topic invokes. Starts with "uploads", as a bucket's with "upload": they never share one."""
    return function_name("uploads_topic", arn.rpartition(":")[2])


def queue_function(arn: str) -> str:
    """The name of the function that reads a queue."""
    return function_name("uploads_queue", arn.rpartition(":")[2])
