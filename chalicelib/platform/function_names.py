"""Names of the functions that Chalice deploys: stable, because a renamed function leaves the old one behind, and firing."""

import hashlib

LONGEST = 48  # of the 64 letters of a Lambda function's name "dropnote-<stage>-" takes up to 16


def stream_variable(table: str) -> str:
    """The environment variable that names a table's stream: DROPNOTE_STREAM_ORDERS, with a hash where letters are lost.

    Orders, ORDERS and orders are three tables (Amazon DynamoDB developer guide, "Naming rules": case-sensitive).
    """
    plain = "".join(letter.upper() if letter.isalnum() else "_" for letter in table)
    lost = table != plain.lower()
    return f"{STREAM}_{plain}" + (f"_{hashlib.sha256(table.encode()).hexdigest()[:6].upper()}" if lost else "")


STREAM = "DROPNOTE_STREAM"  # of the ledger's table


def function_name(what: str, source: str) -> str:
    """The name of the function bound to a bucket or a table: upload_acme_drops for acme-drops.

    "-" becomes "_" and "." becomes "D". No bucket's name has either, so two buckets never share a name; a table's may have both,
    and is then told apart by its hash, as a name is that is too long. Capitals count for that too: the function's role has this
    name, and IAM minds none. (AWS Lambda API reference, "CreateFunction": 64 letters, and Chalice takes [A-Za-z0-9_]; IAM user
    guide, "IAM and AWS STS quotas": names of roles are unique whatever their case.)
    """
    name = f"{what}_{source.replace('-', '_').replace('.', 'D')}"
    if len(name) <= LONGEST and "_" not in source and source == source.lower():
        return name
    return f"{name[: LONGEST - 9]}_{hashlib.sha256(source.encode()).hexdigest()[:8]}"
