"""The trust policy of a role for GitHub Actions."""

import pytest

from workbench.deployment.errors import SetupError
from workbench.deployment.grants import StageLocation
from workbench.deployment.policies.trust import trust_policy

DEV = StageLocation("dev", "123456789012", "eu-west-1")


@pytest.mark.parametrize(
    ("subject", "claim"),
    [
        ("acme/alerts", "repo:acme/alerts:environment:dev"),
        ("acme/alerts:ref:refs/heads/main", "repo:acme/alerts:ref:refs/heads/main"),
        ("acme@12/alerts@345", "repo:acme@12/alerts@345:environment:dev"),
    ],
)
def test_one_repository_and_one_environment_or_branch_may_assume_the_role(subject: str, claim: str) -> None:
    (statement,) = trust_policy(DEV, subject)["Statement"]
    provider = "token.actions.githubusercontent.com"
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{provider}"}
    assert statement["Condition"] == {"StringEquals": {f"{provider}:aud": "sts.amazonaws.com", f"{provider}:sub": claim}}


@pytest.mark.parametrize("subject", ["acme", "acme/*", "*/*:ref:refs/heads/main", "acme/alerts:*", "acme/alerts:ref:*"])
def test_subject_that_many_could_have_is_refused(subject: str) -> None:
    with pytest.raises(SetupError, match="use OWNER/REPOSITORY"):
        trust_policy(DEV, subject)
