"""What operators do with a button: acknowledge an incident, silence a rule, end a silence. Each is in the audit log."""

from chalice.app import Response

from ..platform.fields.table import FieldError
from ..platform.fields.values import parse_duration
from ..policy.controls import active_silence, new_silence
from ..policy.incident import acknowledge
from ..store.console.audit import Action
from ..store.incidents import Incidents
from . import pages
from .dashboard.done import Did, dashboard_after
from .web import Area, WebRequest

_MAX_TRIES = 3  # the watch writes the same rows

area = Area(__name__)


@area.action("/console/acknowledge")
def acknowledge_incident(request: WebRequest) -> Response:
    """Acknowledge the incident of the field `incident`: no reminders until it gets worse."""
    console, id_ = request.console, request.form.get("incident", "")
    incidents = Incidents(console.dynamodb, console.table)
    for _ in range(_MAX_TRIES):
        state = next((state for state in incidents.all().values() if state.incident and state.incident.id == id_), None)
        if state is None:
            return pages.problem(request, 404, "Not found", "This incident is no longer open.")
        if incidents.save(state, acknowledge(state, request.person, console.now()), console.now()):
            console.record(request.person, Action.ACKNOWLEDGE, state.display_name or state.name, f"incident {id_}")
            return pages.redirect(request, dashboard_after(Did.ACKNOWLEDGED, id_))
    return pages.problem(request, 409, "Not acknowledged", "The watch is updating this monitor. Go back and try again.")


@area.action("/console/silence")
def silence(request: WebRequest) -> Response:
    """Silence the rule or monitor of the field `rule` for `duration`, with a `reason`."""
    console, form = request.console, request.form
    rule, reason = form.get("rule", ""), form.get("reason", "")[:200]
    if rule not in console.settings.names:
        return pages.problem(request, 400, "Not silenced", "The settings have no such rule or monitor.")
    try:
        silence = new_silence(rule, console.now(), parse_duration(form.get("duration", "")), request.person, reason)
    except FieldError as error:
        return pages.problem(request, 400, "Not silenced", f"Duration: {error.problem}; {error.hint}.")
    except ValueError as error:
        return pages.problem(request, 400, "Not silenced", f"{error}.")
    console.deliverer.control.silence(silence)
    console.record(request.person, Action.SILENCE, rule, f"until {silence.until:%Y-%m-%d %H:%M} UTC: {silence.reason}")
    return pages.redirect(request, dashboard_after(Did.SILENCED, rule))


@area.action("/console/unsilence")
def unsilence(request: WebRequest) -> Response:
    """End the silence of the field `rule`."""
    console, rule = request.console, request.form.get("rule", "")
    control = console.deliverer.control
    if not active_silence(control.fresh().silences, rule, console.now()):
        return pages.problem(request, 404, "Not found", "This silence has ended.")
    control.unsilence(rule)
    console.record(request.person, Action.UNSILENCE, rule)
    return pages.redirect(request, dashboard_after(Did.UNSILENCED, rule))
