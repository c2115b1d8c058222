"""A stage whose bot checks itself, and a proxy before its SES."""

from collections.abc import Iterator

import pytest

from tests.health.checking import OURS, overwrite
from tests.support.stages import Stage, real_stage
from workbench.local.ministack import MiniStack
from workbench.local.proxy.proxy import Proxy


@pytest.fixture
def stage(ministack: MiniStack) -> Stage:
    """A stage whose bucket notifies its function, with an empty dead-letter queue, just swept."""
    stage = real_stage(ministack)
    ministack.client("s3").create_bucket(Bucket="acme-drops")
    overwrite(ministack, OURS)
    stage.sweep()
    return stage


@pytest.fixture
def ses(ministack: MiniStack) -> Iterator[Proxy]:
    """A proxy in front of SES, to change what GetAccount returns."""
    with Proxy(ministack.endpoint) as proxy:
        yield proxy
