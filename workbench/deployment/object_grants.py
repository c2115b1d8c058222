"""Which permissions the further conditions of upload rules need: those of the requests in chalicelib/store/objects.py.

Source: AWS Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3". With a version id, S3
requires the action on versions; only callers who may list the bucket learn that an object does not exist.
"""

from collections.abc import Iterator, Sequence

from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import Settings
from chalicelib.rules import globs

_OBJECT_ACTIONS = {
    "head": ("ObjectHeads", ("s3:GetObject", "s3:GetObjectVersion")),
    "tags": ("ObjectTags", ("s3:GetObjectTagging", "s3:GetObjectVersionTagging")),
}


def object_grants(
    settings: Settings, buckets: Sequence[str], partition: str
) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Statement id, actions and resources, for the facts that rules on these buckets may need; nothing without such rules."""
    rules = [rule for rule in settings.rules if rule.filter and rule.filter.facts and rule.bucket in buckets]
    for fact, (sid, actions) in _OBJECT_ACTIONS.items():
        if asking := [rule for rule in rules if rule.filter and fact in rule.filter.facts]:
            yield sid, actions, tuple(dict.fromkeys(arn for rule in asking for arn in _objects(rule, partition)))
    for sid, action, facts in (
        ("ObjectExists", "s3:ListBucket", {"head", "tags"}),
        ("ObjectVersions", "s3:ListBucketVersions", {"previous"}),
    ):
        if asking := [rule for rule in rules if rule.filter and facts & rule.filter.facts]:
            yield sid, (action,), tuple(dict.fromkeys(f"arn:{partition}:s3:::{rule.bucket}" for rule in asking))


def _objects(rule: Rule, partition: str) -> Iterator[str]:
    """The objects that a rule's keys may name: below the folder before the first wildcard. In a policy, ${ starts a variable."""
    for glob in globs.including(rule.key) or ["**"]:
        folder = globs.literal_folder(glob)
        yield f"arn:{partition}:s3:::{rule.bucket}/{'' if '$' in folder else folder}*"
