"""Permissions as values, and those that the further conditions of upload rules need: for chalicelib/store/objects.py.

Source: AWS Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3". With a version id, S3
requires the action on versions; only callers who may list the bucket learn that an object does not exist.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import Settings
from chalicelib.rules import globs

_OBJECT_ACTIONS = {
    "head": ("ObjectHeads", ("s3:GetObject", "s3:GetObjectVersion")),
    "tags": ("ObjectTags", ("s3:GetObjectTagging", "s3:GetObjectVersionTagging")),
}


@dataclass(frozen=True, slots=True)
class StageLocation:
    """The account and region of a stage."""

    stage: str
    account: str
    region: str
    partition: str = "aws"
    sandbox: bool = False  # in the sandbox, SES also requires permission for the recipient's identity
    configuration_sets: tuple[str, ...] = ()  # the defaults of the sender's identities; SendEmail needs permission for them
    sender: str = ""  # what SES has for the sender, in one line

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission for actions on resources.

    `by` is the caller: "function", our code; "lambda", Lambda for the function; "browser", with what the function signed.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    by: str = "function"


def object_grants(settings: Settings, buckets: Sequence[str], partition: str) -> Iterator[Grant]:
    """For the facts that rules on these buckets may need; nothing without such rules."""
    rules = [rule for rule in settings.rules if rule.filter and rule.filter.facts and rule.bucket in buckets]
    for fact, (sid, actions) in _OBJECT_ACTIONS.items():
        if asking := [rule for rule in rules if rule.filter and fact in rule.filter.facts]:
            arns = dict.fromkeys(arn for rule in asking for arn in _objects(rule, partition))
            yield Grant(sid, actions, tuple(arns))
    for sid, action, facts in (
        ("ObjectExists", "s3:ListBucket", {"head", "tags"}),
        ("ObjectVersions", "s3:ListBucketVersions", {"previous"}),
    ):
        if asking := [rule for rule in rules if rule.filter and facts & rule.filter.facts]:
            arns = dict.fromkeys(f"arn:{partition}:s3:::{rule.bucket}" for rule in asking)
            yield Grant(sid, (action,), tuple(arns))


def link_grants(settings: Settings, partition: str) -> Iterator[Grant]:
    """For links to files: to sign what a browser then sends, and to say why an object cannot be downloaded."""
    if linking := [rule for rule in settings.rules if rule.link]:
        objects = dict.fromkeys(arn for rule in linking for arn in _objects(rule, partition))
        yield Grant("LinkedObjects", ("s3:GetObject", "s3:GetObjectVersion"), tuple(objects))
        buckets = dict.fromkeys(f"arn:{partition}:s3:::{rule.bucket}" for rule in linking)
        yield Grant("LinkedBuckets", ("s3:ListBucket",), tuple(buckets))
    if folders := settings.upload_links:
        arns = tuple(f"arn:{partition}:s3:::{folder}*" for folder in folders)
        yield Grant("UploadLinks", ("s3:PutObject",), arns, by="browser")


def _objects(rule: Rule, partition: str) -> Iterator[str]:
    """The objects that a rule's keys may name: below the folder before the first wildcard. In a policy, ${ starts a variable."""
    for glob in globs.including(rule.key) or ["**"]:
        folder = globs.literal_folder(glob)
        yield f"arn:{partition}:s3:::{rule.bucket}/{'' if '$' in folder else folder}*"
