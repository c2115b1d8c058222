"""The samples that the demo sends to chats: seen in the inbox, and nowhere else."""

from tests.support.builders import ENVIRON, some_settings
from tests.support.serving import serving
from tests.workbench.local.conftest import make_inbox
from workbench.local.demo.demo_webhooks import SERVICES, play_webhooks
from workbench.local.webhooks.double import PREFIX


def no_client(*_: object, **__: object) -> None:
    """AWS clients that fail when they are used: the samples are not recorded."""


def test_samples_reach_each_service_and_no_ledger() -> None:
    with make_inbox() as inbox, serving(inbox.app) as url:
        variables = {**ENVIRON, "WEBHOOK_BASE_URL": f"{url}{PREFIX}"}
        assert play_webhooks(some_settings(), variables, no_client) == 2 * len(SERVICES)
        assert {post.service for post in inbox.webhooks.posts()} == set(SERVICES)
