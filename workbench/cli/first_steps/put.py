"""`dropnote put`: upload a file to the local bucket, as a program would upload it."""

import mimetypes
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from chalicelib.domain.event import Upload
from chalicelib.domain.filters.upload import Fact, Facts, Tags
from chalicelib.platform.clock import utc_now

from ...account import AccountError, find_account
from ...local.running import read_running
from ...output import fail, progress, say
from ...reports.filters.facts import given_facts, pair

DEFAULT_CONTENT_TYPE = "binary/octet-stream"  # Amazon S3 API reference, "PutObject": Content-Type


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("key", required=False, default="")
@click.option("--content-type", default="", help="Content type of the object; default: guessed from the file's name")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="Metadata of the object; may be repeated")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Tag of the object; may be repeated")
def put(file: Path, key: str, content_type: str, metadata: Sequence[str], tags: Sequence[str]) -> None:
    """Upload a file to the local bucket

    KEY is the object's key; default: the file's name. A KEY that ends with a slash is a folder.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    running = read_running()
    if running is None:
        fail("the local environment is not running; start it with `make run` in another terminal")
    type_ = content_type or guess_content_type(file)
    try:
        options = upload_options(type_, metadata, tags)
        facts = {Fact.TAGS: Tags({}), **given_facts(utc_now(), type_, metadata, tags, "")}
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        upload = Upload(running.bucket, object_key(key, file), file.stat().st_size)
        with progress(f"Uploading {file.name}"):
            running.client("s3").upload_file(str(file), upload.bucket, upload.key, ExtraArgs=options)
    except (BotoCoreError, ClientError, OSError) as error:
        fail(f"could not upload {file}: {error}")
    say(f"Uploaded to s3://{upload.bucket}/{upload.key} as {type_}")
    if key.startswith("/"):
        say("The slash at the beginning was left out: with it, the first folder would have an empty name.", "yellow")
    if reasons := mismatches(upload, facts):
        say("Nobody is notified: no rule matches under the current settings.")
        for reason in reasons:
            say(f"  {reason}")
    say(f"inbox: {running.server}/", "dim")


def object_key(key: str, file: Path) -> str:
    """The key of the uploaded object: without a slash at the beginning; with the file's name in a folder."""
    key = key.lstrip("/")
    return key + file.name if not key or key.endswith("/") else key


def guess_content_type(file: Path) -> str:
    """The content type by the file's name, as the AWS CLI guesses it; S3's own default if it is unknown."""
    return mimetypes.guess_type(file.name)[0] or DEFAULT_CONTENT_TYPE


def upload_options(content_type: str, metadata: Sequence[str], tags: Sequence[str]) -> Mapping[str, Any]:
    """ExtraArgs of boto3's upload_file.

    Raises:
        ValueError: metadata or a tag is not NAME=VALUE.
    """
    options: dict[str, Any] = {"ContentType": content_type, "Metadata": dict(map(pair, metadata))}
    if tags:
        options["Tagging"] = urlencode(dict(map(pair, tags)))
    return options


def mismatches(upload: Upload, facts: Facts | None = None) -> list[str]:
    """Why no rule of the current settings matches an upload; [] if one does."""
    from ...reports.explain import upload_mismatches

    with suppress(AccountError):  # settings that are being edited: the environment has those it was started with
        return upload_mismatches(find_account("local").settings, upload, facts)
    return []
