"""The command explain: what an upload, rule or monitor would do, and what happened to a real event."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

from chalicelib.domain.event import Creation
from chalicelib.platform.clock import utc_now
from chalicelib.platform.fields.table import FieldError
from chalicelib.platform.fields.values import parse_duration

from ...account import AccountError, settings_of
from ...output import fail, print_json, say
from ...reports import explain as reports
from ...reports.answers import event_story
from ...reports.answers.event_rows import find_event
from ...reports.explain_monitors import explain_name
from ...reports.filters.facts import given_facts, read_object
from ...reports.ledger_log import local_time, parse_time
from ..options import JSON_OPTION, SINCE_HELP, STAGE_OPTION, account_of

CREATIONS = [creation.value for creation in Creation]
Options = Mapping[str, Any]  # of the command line, about the upload
_ID = re.compile(r"[0-9a-f]{4,32}")  # at least as many digits as rarely name two events


@click.command()
@click.argument("target", metavar="s3://BUCKET/KEY|EVENT_ID|MONITOR|RULE")
@click.option("--size", default="", help="Size of the upload, such as 12KB or 5GB; default: unknown")
@click.option("--created", default="put", show_default=True, type=click.Choice(CREATIONS), help="How the object was created")
@click.option("--content-type", default="", help="Content type of the object, such as application/pdf")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="Metadata of the object; may be repeated")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Tag of the object; may be repeated")
@click.option("--uploader", default="", help="Who uploads it: S3's principal id, such as AWS:AROAEXAMPLE:session")
@click.option("--previous", default="", metavar="none|AGE", help="Age of the version that it replaces, such as 3d; or none")
@click.option("--read", "read_", is_flag=True, help="Read what the conditions need from the real object")
@click.option("--at", default="", help="Time of the upload in this machine's time zone, such as 2026-11-23T10:00; default: now")
@click.option("--burst", default=1, show_default=True, type=click.IntRange(1, 100_000), help="Number of such uploads")
@click.option("--over", default="1m", show_default=True, help="Time in which the burst arrives")
@click.option("--since", default="7d", show_default=True, help=f"For an event ID. {SINCE_HELP}")
@click.option("--upload", metavar="s3://BUCKET/KEY", default="", help="For the ID of an event that left no row: its object")
@STAGE_OPTION
@JSON_OPTION
def explain(target: str, since: str, upload: str, stage: str, json_: bool, **options: Any) -> None:
    """Explain an upload, rule, monitor or past event; send nothing

    For an upload: which rules match and why, who is notified, by which channel and when. For a monitor or a rule: what it
    checks, who is notified, and its current state. For the ID of an event or a delivery, as `dropnote log` and the bot's log
    print it: which rules matched, who got what and when, and why somebody did not.
    """
    try:
        if "://" in target:
            _explain_upload(target, options, stage, json_)
        elif _ID.fullmatch(target) and not _is_name(target, stage):
            _explain_event(target, parse_time(since, utc_now()), upload, options, stage, json_)
        else:
            _explain_name(target, stage, json_)
    except FieldError as error:
        fail(f"{error.problem}; {error.hint}")
    except (AccountError, ValueError) as error:
        fail(str(error))


def _explain_upload(address: str, options: Options, stage: str, json_: bool) -> None:
    """Explain a hypothetical upload."""
    results = _results(address, options, stage)
    if json_:
        print_json([msgspec.to_builtins(result) for result in results])
    else:
        _print_results(results)


def _results(address: str, options: Options, stage: str) -> list[reports.RuleResult]:
    """Apply the rules to an upload, with the facts about the object that options give or that are read from S3."""
    at = parse_time(options["at"], utc_now()) if options["at"] else utc_now()
    upload = reports.parse_upload(address, options["size"], options["created"], options["uploader"])
    facts = given_facts(at, *(options[name] for name in ("content_type", "metadata", "tags", "previous")))
    burst, over = options["burst"], parse_duration(options["over"])
    if not options["read_"]:
        return reports.explain(settings_of(stage)[0], stage, reports.burst_of(upload, at, burst, over), facts)
    with account_of(stage) as account:
        upload, reader = read_object(account.client, upload)
        return reports.explain(account.settings, stage, reports.burst_of(upload, at, burst, over), facts, reader)


def _print_results(results: Sequence[reports.RuleResult]) -> None:
    for result in results:
        outcome = "match, if the conditions marked ?? are met" if reports.is_open(result) else "match"
        say(f"{result.rule}: {outcome if result.matches else 'no match'}", "green" if result.matches else "bold")
        for line in reports.result_lines(result):
            say(f"  {line}")
    if not any(result.matches for result in results):
        say("No rule matches: nobody would be notified.")
    if any(map(reports.is_open, results)):
        say("?? is not known: pass --content-type, --metadata, --tag, --uploader or --previous, or --read", "dim")
    say("Not checked: silences, budgets and suppressed addresses (see dropnote silences, budget, people)", "dim")


def _is_name(target: str, stage: str) -> bool:
    """Whether a word of hex digits is the name of a rule or monitor, which takes precedence."""
    return target in settings_of(stage)[0].names


def _explain_event(id_: str, since: datetime, upload: str, options: Options, stage: str, json_: bool) -> None:
    """Tell what happened to an event, or what is known of one that left no row."""
    with account_of(stage) as account:
        bot = account.bot()
        rows = find_event(bot, id_, since, utc_now())
        story = event_story.tell(bot, rows) if rows else None
    if story is None:
        _explain_unknown(id_, since, upload, options, stage, json_)
    elif json_:
        print_json(story.as_dict())
    else:
        for line, style in event_story.story_lines(story):
            say(line, style)


def _explain_unknown(id_: str, since: datetime, upload: str, options: Options, stage: str, json_: bool) -> None:
    """Say what is known of an event without a row; with its object, also what the rules say of that. Exit with code 1."""
    known = [
        f"No event or delivery with ID {id_} in the ledger since {local_time(since)}. One of:",
        '- no rule matched the event. Its function then logged "happened": "no-rule" with this ID, and nothing else is kept;',
        f"  the logs are in the groups /aws/lambda/dropnote-{stage}-upload…, -bus and -items…",
        "- its event never arrived: dropnote backfill s3://BUCKET/PREFIX --since 2d finds such uploads",
        "- it is older: --since 30d",
    ]
    results = _results(upload, options, stage) if upload else []
    if json_:
        document = {"event_id": id_, "found": False, "known": known, "rules": [msgspec.to_builtins(result) for result in results]}
        print_json(document)
        raise SystemExit(1)
    for line in known:
        say(line)
    if not upload:
        fail(f"To see what the rules say of its object: dropnote explain {id_} --upload s3://BUCKET/KEY --size 12KB")
    say(f"What the rules say of {upload} as the settings are now:")
    _print_results(results)
    raise SystemExit(1)


def _explain_name(name: str, stage: str, json_: bool) -> None:
    """Explain a monitor or a rule."""
    explanation = explain_name(name, stage)
    if json_:
        print_json(explanation.document)
        return
    for title, lines in explanation.sections:
        say(title, "bold")
        for label, text in lines:
            say(f"  {label:10} {text}")
    if not explanation.state_known:
        say("current state and silences unknown: start the local environment (make run) or pass --stage", "dim")


COMMANDS = (explain,)
