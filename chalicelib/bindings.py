"""Names of the functions that Chalice deploys: stable, because a renamed function leaves the old one behind, and firing."""

import hashlib

from .settings import Settings

LONGEST = 48  # of the 64 letters of a Lambda function's name "dropnote-<stage>-" takes up to 16


def stream_variable(table: str) -> str:
    """The environment variable that names a table's stream: DROPNOTE_STREAM_ORDERS, with a hash where letters are lost."""
    plain = "".join(letter.upper() if letter.isalnum() else "_" for letter in table)
    lost = table not in (plain.lower(), plain)
    return f"{STREAM}_{plain}" + (f"_{hashlib.sha256(table.encode()).hexdigest()[:6].upper()}" if lost else "")


def tables_of(settings: Settings) -> list[str]:
    """The tables whose items some rule is on."""
    return list(dict.fromkeys(rule.item.table for rule in settings.rules if rule.item))


STREAM = "DROPNOTE_STREAM"  # of the ledger's table
A_MINUTE, AN_HOUR = 1, 60  # minutes between two watches


def watch_every(settings: Settings) -> int:
    """Minutes between two runs of the watch: without anything to look at but the bot itself it runs once an hour."""
    return A_MINUTE if settings.monitors or any(rule.remind for rule in settings.rules) else AN_HOUR


def function_name(what: str, bucket: str) -> str:
    """The name of the function bound to a bucket: upload_acme_drops for acme-drops.

    "-" becomes "_" and "." becomes "D": no bucket name has either, so two buckets never share a name. A long one is cut and
    told apart by its hash. (AWS Lambda API reference, "CreateFunction": 64 letters, and Chalice takes [A-Za-z0-9_].)
    """
    name = f"{what}_{bucket.replace('-', '_').replace('.', 'D')}"
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 9]}_{hashlib.sha256(bucket.encode()).hexdigest()[:8]}"
