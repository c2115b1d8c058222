"""The doctor finds buckets without the versions that a rule asks about."""

from types import SimpleNamespace
from typing import Any

from tests.support.builders import some_settings
from workbench.doctor import versions
from workbench.local.ministack import MiniStack

PREVIOUS = '[[rules]]\nname = "new"\nbucket = "acme-drops"\nnotify = "email:ben"\nprevious = "none"\n'


def test_bucket_without_versioning_is_named_with_its_rules(ministack: MiniStack) -> None:
    s3 = ministack.client("s3")
    s3.create_bucket(Bucket="acme-drops")
    account: Any = SimpleNamespace(settings=some_settings(PREVIOUS), client=ministack.client)
    (problem,) = versions.kept(account)
    assert problem.what == "acme-drops keeps no versions, so `previous` of new matches every upload."
    assert problem.next.startswith(
        "aws s3api put-bucket-versioning --bucket acme-drops --versioning-configuration Status=Enabled"
    )
    s3.put_bucket_versioning(Bucket="acme-drops", VersioningConfiguration={"Status": "Enabled"})
    assert list(versions.kept(account)) == []


def test_check_applies_only_if_a_rule_asks() -> None:
    assert versions.asked_for(some_settings(PREVIOUS))
    assert not versions.asked_for(some_settings())
