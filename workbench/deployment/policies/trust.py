"""Builds the trust policy of a role that GitHub Actions assumes to deploy.

Source: GitHub docs, "Configuring OpenID Connect in Amazon Web Services".
"""

import re
from typing import Any

from ..errors import SetupError
from .permissions import StageLocation

_GITHUB = "token.actions.githubusercontent.com"
# Repositories created since 15 July 2026 have numbers in their subjects: OWNER@ID/REPOSITORY@ID (GitHub changelog, "Immutable
# subject claims for GitHub Actions OIDC tokens").
_REPOSITORY = re.compile(r"[\w.-]+(@\d+)?/[\w.-]+(@\d+)?", re.ASCII)
_SUBJECT = re.compile(rf"{_REPOSITORY.pattern}:(environment|ref):[\w./-]+", re.ASCII)


def trust_policy(location: StageLocation, subject: str) -> dict[str, Any]:
    """The trust policy of a role that GitHub Actions assumes. `subject` is OWNER/REPOSITORY:environment:NAME or …:ref:REF;
    without one of these, the environment has the stage's name.

    Raises:
        SetupError: any repository, or any branch, could assume the role.
    """
    if _REPOSITORY.fullmatch(subject):
        subject = f"{subject}:environment:{location.stage}"
    if not _SUBJECT.fullmatch(subject):
        raise SetupError(f"invalid subject {subject!r}; use OWNER/REPOSITORY, or OWNER/REPOSITORY:ref:refs/heads/main")
    provider = f"arn:{location.partition}:iam::{location.account}:oidc-provider/{_GITHUB}"
    claims = {f"{_GITHUB}:aud": "sts.amazonaws.com", f"{_GITHUB}:sub": f"repo:{subject}"}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": claims},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
