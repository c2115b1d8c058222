"""What the console's pages use: the bot's own parts, passed in by the composition root."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from ..channels.sns.certificates import Certificates, Fetch, fetch
from ..counting.hourly_cache import HourlyCache
from ..delivery.deliver import Deliverer
from ..delivery.intake import Intake
from ..domain.settings import ConsoleSettings, Settings
from ..platform.secrets import Secrets
from ..platform.signing.keys import make_signer
from ..platform.signing.tokens import Signer
from ..store.console.audit import Action, Audit, Entry
from ..store.console.sign_ins import SignIns
from ..store.console.upload_links import UploadLinks
from ..store.incidents import Incidents
from ..store.ledger import LEDGER_CONFIG, Ledger


@dataclass(frozen=True)
class Console:
    """The parts of one container. `clients` creates AWS clients."""

    intake: Intake
    secrets: Secrets
    clients: Callable[..., Any]
    environ: Mapping[str, str] = field(default_factory=dict)
    fetch: Fetch = fetch  # from SNS, over HTTPS
    sleep: Callable[[float], None] = time.sleep  # seconds

    @property
    def deliverer(self) -> Deliverer:
        """The bot's deliverer."""
        return self.intake.deliverer

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.deliverer.settings

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        return self.deliverer.ledger

    @property
    def stage(self) -> str:
        """The stage's name."""
        return self.environ.get("DROPNOTE_STAGE", "")

    @property
    def access(self) -> ConsoleSettings | None:
        """Who may sign in; None if the console is off."""
        return self.settings.console

    @property
    def mails_links(self) -> bool:
        """Whether the sign-in page can mail a link: there is a sender, and the public URL is known."""
        return bool(self.settings.email and self.deliverer.control.now().links)

    @cached_property
    def incidents(self) -> Incidents:
        """The monitors' states."""
        return Incidents(self.dynamodb, self.table)

    def now(self) -> datetime:
        """The current time."""
        return self.deliverer.clock()

    @cached_property
    def dynamodb(self) -> Any:
        """A DynamoDB client."""
        return self.clients("dynamodb", config=LEDGER_CONFIG)

    @cached_property
    def hourly_cache(self) -> HourlyCache:
        """The hours that the dashboard has read."""
        return HourlyCache()

    @cached_property
    def certificates(self) -> Certificates:
        """The certificates of SNS that this container has fetched."""
        return Certificates(self.fetch)

    @property
    def table(self) -> str:
        """The name of the ledger's table."""
        return self.environ["DROPNOTE_LEDGER"]

    @cached_property
    def sign_ins(self) -> SignIns:
        """The sign-in links."""
        return SignIns(self.dynamodb, self.table)

    @cached_property
    def upload_links(self) -> UploadLinks:
        """The upload links."""
        return UploadLinks(self.dynamodb, self.table)

    @cached_property
    def audit(self) -> Audit:
        """The audit log."""
        return Audit(self.dynamodb, self.table)

    def record(self, who: str, did: Action, what: str = "", detail: str = "") -> None:
        """Add a line to the audit log."""
        self.audit.record(Entry(self.now(), who, did, what, detail))

    @cached_property
    def signer(self) -> Signer:
        """Issues and reads tokens."""
        return make_signer(self.secrets, self.deliverer.clock)
