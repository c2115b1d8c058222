"""`dropnote link`: links with which somebody without an AWS account uploads into one folder."""

import getpass
import sys
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import click
from botocore.exceptions import ClientError

from chalicelib.bot.assembly import make_console
from chalicelib.console.files.presigning import MAX_UPLOAD
from chalicelib.console.files.upload_links import check_folder, make_upload_link, new_link
from chalicelib.console.parts import Console
from chalicelib.domain.files.links import UploadFolder
from chalicelib.domain.rule import size_range
from chalicelib.platform.fields.table import FieldError
from chalicelib.platform.secrets import MissingSecret
from chalicelib.rendering.filters import filesize
from chalicelib.store.console.audit import Action
from chalicelib.store.console.upload_links import UploadLink

from ...account import Account, AccountError
from ...deployment.config import read_stage
from ...deployment.files.cors import MAX_RULES, add_rule, allows, read_rules, rule_for
from ...output import err, print_json, print_table, say
from ...paths import PROJECT
from ..options import JSON_OPTION, on_account
from .login import base_url


@click.command()
@click.option(
    "--folder", default="", help="Folder of the uploads, such as partner-a/; the only one of the settings if there is one"
)
@click.option("--bucket", default="", help="Its bucket, if the settings have this folder in several")
@click.option("--max", "max_", default="5GB", show_default=True, help="The largest file: 200KB, 50MB, at most 5GB")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 90), help="How long the link lasts")
@click.option("--name", default="", help="What the page says it is for: Invoices of Partner A")
@click.option("--list", "list_", is_flag=True, help="List the links")
@click.option("--revoke", default="", metavar="ID", help="End a link now")
@click.option("--yes", is_flag=True, help="Add the CORS rule that the bucket needs without asking")
@JSON_OPTION
@on_account
def link(account: Account, list_: bool, revoke: str, yes: bool, json_: bool, **wishes: Any) -> None:
    """Make a link with which anybody uploads files into a folder

    For partners without an AWS account. The rules announce their uploads like any other.
    """
    try:
        console = make_console(account.bot(), account.variables, account.client)
        if list_:
            return _list(console, json_)
        if revoke:
            return _revoke(console, revoke)
        _make(account, console, json_, yes, **wishes)
    except (MissingSecret, LookupError) as error:
        raise AccountError(str(error.args[0])) from error


def _make(
    account: Account, console: Console, json_: bool, yes: bool, *, folder: str, bucket: str, max_: str, days: int, name: str
) -> None:
    max_bytes, there = _size(max_), _folder(account, console, bucket, folder)
    try:
        check_folder(console, there.bucket, there.folder)
    except LookupError as error:
        raise _not_allowed(account, str(error), there) from error
    if not name.isprintable() or len(name) > 100:
        raise AccountError("--name has at most 100 characters, on one line")
    base, s3 = base_url(account, console), account.client("s3")
    region = _region_of(s3, there.bucket)
    lasts = timedelta(days=days)
    wish = new_link(there, region, max_bytes, lasts, name, getpass.getuser(), console.now())
    is_ready = _allow_page(s3, there.bucket, base, yes, ask=not json_ and sys.stdin.isatty())
    made, url = make_upload_link(console, wish, base)
    if json_:
        print_json({**_as_dict(made, console), "url": url, "cors": is_ready})
        return
    say(url)
    say(f"Link {made.id}: uploads to {there}, up to {filesize(max_bytes)} each, for {days} days.", "dim")
    say("Whoever has it can upload; nobody can read or replace a file with it.", "dim")
    say(f"To end it: dropnote link --revoke {made.id}{_stage(account)}", "dim")
    if there.bucket not in account.settings.buckets:
        say(f"Nobody is notified of these files: no rule is on the bucket {there.bucket}.", "yellow")


def _list(console: Console, json_: bool) -> None:
    links = console.upload_links.all()
    if json_:
        return print_json([_as_dict(one, console) for one in links])
    if not links:
        return say("No upload links.")
    rows = [
        (one.id, one.state(console.now()), f"{one.expires_at:%Y-%m-%d %H:%M}", f"{one.bucket}/{one.folder}", one.by, one.label)
        for one in links
    ]
    print_table(("id", "state", "until (UTC)", "folder", "made by", "name"), rows)
    return None


def _revoke(console: Console, id_: str) -> None:
    who = getpass.getuser()
    if not console.upload_links.revoke(id_, who, console.now()):
        raise AccountError(f"no link {id_!r} to revoke; dropnote link --list shows all")
    console.record(who, Action.REVOKE_LINK, id_)
    say(f"Revoked {id_}. An upload that was allowed in the last 15 minutes may still begin.")


def _size(text: str) -> int:
    try:
        size = size_range((f"<= {text}",)).max_bytes or 0
    except FieldError:
        raise AccountError(f"--max: invalid size {text!r}; use for example 200KB, 50MB or 5GB") from None
    if not 1 <= size <= MAX_UPLOAD:
        raise AccountError(f"--max: {text} is not between 1B and 5GB; Amazon S3 accepts at most 5 GB from a browser's form")
    return size


def _folder(account: Account, console: Console, bucket: str, folder: str) -> UploadFolder:
    """The folder of the settings that the options mean; one that the settings lack is refused later."""
    folder = folder.strip("/") + "/" if folder.strip("/") else ""
    known = console.settings.upload_links
    found = [one for one in known if folder in ("", one.folder) and bucket in ("", one.bucket)]
    if len(found) == 1:
        return found[0]
    if found:
        raise AccountError(f"choose one with --folder and --bucket: {', '.join(map(str, found))}")
    buckets = (bucket,) if bucket else console.settings.buckets
    asked = UploadFolder(buckets[0] if buckets else "BUCKET", folder or "partner-a/")
    if not folder:
        raise _not_allowed(account, f"the settings allow no upload links{f' for {bucket}' if bucket else ''}", asked)
    return asked


def _not_allowed(account: Account, problem: str, folder: UploadFolder) -> AccountError:
    """The error with the lines to add. A bucket that a variable names is written as that variable: it differs by stage."""
    names = read_stage(PROJECT, account.stage)["environment_variables"]
    bucket = next((f"${{{name}}}" for name in names if account.variables.get(name) == folder.bucket), folder.bucket)
    lines = f'[[upload_links]]\nbucket = "{bucket}"\nfolder = "{folder.folder}"'
    return AccountError(f"{problem}; add these lines and deploy:\n\n{lines}\n")


def _region_of(s3: Any, bucket: str) -> str:
    """The region of a bucket (Amazon S3 API reference, "GetBucketLocation": none for us-east-1, EU for eu-west-1)."""
    region = s3.get_bucket_location(Bucket=bucket).get("LocationConstraint") or "us-east-1"
    return "eu-west-1" if region == "EU" else str(region)


def _allow_page(s3: Any, bucket: str, base: str, yes: bool, ask: bool) -> bool:
    """Make sure that the page may upload to the bucket; whether it may."""
    parts = urlsplit(base)
    origin = f"{parts.scheme}://{parts.netloc}"
    if origin == s3.meta.endpoint_url:  # locally, the pages and S3 have one address
        return True
    try:
        rules = read_rules(s3, bucket)
    except ClientError as error:
        _warn(f"The CORS rules of {bucket} could not be read ({error.response['Error']['Code']}): see docs/console.md.")
        return False
    if allows(rules, origin):
        return True
    rule = rule_for(origin)
    if len(rules) >= MAX_RULES:
        _warn(f"{bucket} has {MAX_RULES} CORS rules already. Remove one, or add {origin} to one that allows POST.")
        return False
    _warn(f"Browsers may not upload to {bucket} yet: it needs a CORS rule that allows POST from {origin}.")
    _warn(f"Its {len(rules)} present rules stay as they are; this one is added: {dict(rule)}")
    if not yes and not (ask and click.confirm("Add it?", default=True, err=True)):
        _warn("Not added: the page cannot upload until it is. To add it: the same command with --yes")
        return False
    add_rule(s3, bucket, rules, rule)
    return True


def _warn(text: str) -> None:
    err.print(text, markup=False)


def _stage(account: Account) -> str:
    return "" if account.stage == "local" else f" --stage {account.stage}"


def _as_dict(one: UploadLink, console: Console) -> dict[str, Any]:
    return {
        "id": one.id,
        "state": one.state(console.now()),
        "bucket": one.bucket,
        "folder": one.folder,
        "max_bytes": one.max_bytes,
        "name": one.label,
        "by": one.by,
        "created_at": one.created_at,
        "expires_at": one.expires_at,
        "revoked_at": one.revoked_at,
        "revoked_by": one.revoked_by,
    }


COMMANDS = (link,)
