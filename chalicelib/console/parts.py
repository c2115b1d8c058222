"""What the console's pages use: the bot's own parts, passed in by the composition root."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from ..delivery.deliver import Deliverer
from ..domain.settings import ConsoleSettings, Settings
from ..platform.secrets import Secrets
from ..platform.signing.keys import make_signer
from ..platform.signing.tokens import Signer
from ..store.incidents import Incidents
from ..store.ledger import LEDGER_CONFIG, Ledger


@dataclass(frozen=True)
class Console:
    """The parts of one container. `clients` creates AWS clients."""

    deliverer: Deliverer
    secrets: Secrets
    clients: Callable[..., Any]
    environ: Mapping[str, str] = field(default_factory=dict)

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
        return console_settings(self.settings, self.stage)

    @cached_property
    def incidents(self) -> Incidents:
        """The monitors' states."""
        return Incidents(self.clients("dynamodb", config=LEDGER_CONFIG), self.environ["DROPNOTE_LEDGER"])

    def now(self) -> datetime:
        """The current time."""
        return self.deliverer.clock()

    @cached_property
    def signer(self) -> Signer:
        """Issues and reads tokens."""
        return make_signer(self.secrets, self.deliverer.clock)


def console_settings(settings: Settings, stage: str) -> ConsoleSettings | None:
    """Who may sign in: as the settings say; without [console], everybody locally, and nobody on other stages (None)."""
    if settings.console is None and stage == "local":
        return ConsoleSettings(operators=tuple(settings.people))
    return settings.console
