"""What a button of the dashboard did: the line at the top of the page that follows.

The address names the action. It is shown only if the stage's rows agree: anybody can write an address.
"""

from enum import StrEnum
from urllib.parse import urlencode

from msgspec import Struct

from ...platform.sanitize import sanitize
from ...policy.controls import active_silence
from ..times import Times
from ..web import WebRequest
from .figures import Figures


class Did(StrEnum):
    """An action of the dashboard."""

    SILENCED = "silenced"
    UNSILENCED = "unsilenced"
    ACKNOWLEDGED = "acknowledged"


class Done(Struct, frozen=True):
    """One sentence, and the section of the page that has more."""

    sentence: str
    section: str
    label: str  # of the link to the section


def dashboard_after(did: Did, name: str) -> str:
    """The address of the dashboard after an action; `name` is the rule's, or the incident's id."""
    return f"console?{urlencode({'done': did.value, 'name': name})}"


def done(request: WebRequest, figures: Figures, times: Times) -> Done | None:
    """What was just done; None if the address says nothing, or something that is not so."""
    did, name = request.query.get("done", ""), request.query.get("name", "")
    shown = sanitize(name)
    silence = active_silence(figures.controls.silences, name, figures.now)
    if did == Did.SILENCED and silence:
        until = times.minute(silence.until)
        return Done(f"{shown} is silenced until {until}. Until then, its messages are only in the log.", "silences", "Silences")
    if did == Did.UNSILENCED and not silence and name in request.console.settings.names:
        return Done(f"{shown} is no longer silenced: it notifies again.", "silences", "Silences")
    if did == Did.ACKNOWLEDGED:
        states = figures.states.values()
        state = next((state for state in states if state.incident and state.incident.id == name), None)
        if state and state.incident and (by := state.incident.acked_by):
            monitor = sanitize(state.display_name or state.name)
            return Done(
                f"The incident of {monitor} is acknowledged by {by}: no reminders until it gets worse.", "monitors", "Monitors"
            )
    return None
