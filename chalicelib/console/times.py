"""Times as the person who is signed in reads them: in their own zone."""

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct

if TYPE_CHECKING:
    from .web import WebRequest


class Times(Struct, frozen=True):
    """Formats times in a zone."""

    zone: str

    def local(self, moment: datetime) -> datetime:
        """The moment in the zone."""
        return moment.astimezone(ZoneInfo(self.zone))

    def second(self, moment: datetime) -> str:
        """A time such as "2026-11-26 09:15:02"."""
        return f"{self.local(moment):%Y-%m-%d %H:%M:%S}"

    def minute(self, moment: datetime) -> str:
        """A time such as "2026-11-26 09:15"."""
        return f"{self.local(moment):%Y-%m-%d %H:%M}"


def times_for(request: "WebRequest") -> Times:
    """The times of the person who is signed in."""
    settings = request.console.settings
    person = settings.people.get(request.session.person) if request.session else None
    return Times(settings.zone(person) if person else settings.bot.timezone)
