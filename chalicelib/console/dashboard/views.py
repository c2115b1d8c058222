"""The dashboard's page. Its script asks for the page again every few seconds, with `part=live` for its sections alone."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from chalice.app import Response

from ...domain.delivery import Reason
from ...domain.monitor import Monitor, MonitorState
from ...domain.payloads import Level
from ...domain.people import Channel, Recipient
from ...monitors.alarms import open_alarms
from ...platform.phrases import duration
from ...platform.sanitize import mask_email, mask_number, sanitize
from ...policy.controls import active_silence, address_key
from .. import pages
from ..log.rows import channel_word
from ..log.views import row_cells
from ..parts import Console
from ..times import Times, times_for
from ..web import Area, WebRequest
from .charts import columns, share_of, strip
from .done import done
from .figures import RANGES, Figures, read_figures

STRIP = timedelta(hours=24)
MAX_BUDGETS = 8  # limits shown; the others after a click
MAX_OUTCOMES = 12
_MASKS = {Channel.SMS: mask_number, Channel.EMAIL: mask_email}

area = Area(__name__)


@area.page("/console")
def dashboard(request: WebRequest) -> Response:
    """The dashboard of the last day, week or month."""
    period = request.query.get("period", "24h")
    if period not in RANGES:
        period = "24h"
    figures, times = read_figures(request.console, RANGES[period], fresh="done" in request.query), times_for(request)
    budgets = _budgets(figures)
    template = "dashboard_live.html" if request.query.get("part") == "live" else "dashboard.html"
    return pages.html(
        request,
        template,
        here="dashboard",
        period=period,
        periods=[*RANGES],
        done=done(request, figures, times),
        updated=f"{times.local(figures.now):%H:%M:%S}",
        rules=[*(rule.name for rule in request.console.settings.rules), *(m.name for m in request.console.settings.monitors)],
        chart=columns(figures.stats.hours, figures.stats.folders, times, daily=period == "30d"),
        chart_unit="day" if period == "30d" else "hour",
        outcomes=_outcomes(figures),
        latency=_latency(figures),
        spent=figures.spent,
        monitors=list(_monitors(request.console, figures, times)),
        silences=_silences(figures, times),
        suppressed=list(_suppressed(request.console, figures, times)),
        budgets=budgets[:MAX_BUDGETS],
        more_budgets=budgets[MAX_BUDGETS:],
        recent=[row_cells(row, times) for row in figures.recent.rows],
        figures=figures,
    )


def _outcomes(figures: Figures) -> list[dict[str, Any]]:
    """Deliveries by channel, state and reason, most first."""
    deliveries = list(figures.stats.deliveries.items())
    largest = max((number for _, number in deliveries), default=0)
    return [
        {
            "channel": channel_word(outcome.channel),
            "state": outcome.state,
            "reason": outcome.reason,
            "number": number,
            "share": share_of(number, largest),
        }
        for outcome, number in deliveries[:MAX_OUTCOMES]
    ]


def _latency(figures: Figures) -> list[tuple[str, str]]:
    latency = figures.stats.latency
    if latency is None:
        return []
    return [("median", _span(latency.p50)), ("95 %", _span(latency.p95)), ("99 %", _span(latency.p99))]


def _span(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else duration(span)


def _monitors(console: Console, figures: Figures, times: Times) -> Iterator[dict[str, Any]]:
    """Every monitor and open alarm, problems first."""
    states = figures.states

    def order(monitor: Monitor) -> tuple[int, str]:
        state = states.get(monitor.name)
        return (-state.level.rank if state else 0, monitor.name)

    for monitor in sorted([*console.settings.monitors, *open_alarms(console.settings, states)], key=order):
        state = states.get(monitor.name) or MonitorState(monitor.name)
        incident = state.incident
        yield {
            "name": sanitize(state.display_name or monitor.name),
            "what": sanitize(monitor.check.description),
            "level": state.level.value + _streak(monitor, state) if state.checked_at else "not checked yet",
            "css": f"level-{state.level.value}" if state.checked_at else "level-none",
            "says": sanitize(state.result.message) if state.result else "",
            "since": times.minute(state.since) if state.since and state.checked_at else "",
            "strip": strip(state.history, figures.now - STRIP, figures.now, times),
            "incident": incident.id if incident else "",
            "opened": times.minute(incident.opened_at) if incident else "",
            "acked_by": incident.acked_by if incident else "",
        }


def _streak(monitor: Monitor, state: MonitorState) -> str:
    """How far the last checks are from changing the level: ", 1 of 3 failed"; "" if the last one agrees with the level."""
    if state.result is None or not state.streak or state.result.level is state.level:
        return ""
    worse = state.result.level.rank > state.level.rank
    enough = monitor.alert_policy.failures if worse else monitor.alert_policy.recoveries
    word = "failed" if worse else "passed" if state.result.level is Level.OK else "better"
    return f", {state.streak} of {enough} {word}" if enough > 1 else ""


def _silences(figures: Figures, times: Times) -> list[dict[str, str]]:
    silences = figures.controls.silences
    active = [silence for rule, silence in silences.items() if active_silence(silences, rule, figures.now)]
    return [
        {"rule": silence.rule, "until": times.minute(silence.until), "by": silence.by, "reason": sanitize(silence.reason)}
        for silence in sorted(active, key=lambda silence: silence.until)
    ]


def _suppressed(console: Console, figures: Figures, times: Times) -> Iterator[dict[str, str]]:
    """The suppressed addresses of people in the settings, masked."""
    for person in console.settings.people.values():
        for channel in Channel:
            address = Recipient(channel, person).address
            key = address_key(channel, console.settings.sender(channel), address)
            if address and (found := figures.controls.suppressed.get(key)):
                opted_out = found.reason is Reason.OPTED_OUT
                yield {
                    "person": person.name,
                    "channel": channel_word(channel.value),
                    "address": _MASKS[channel](address),
                    "reason": "opted out" if opted_out else found.reason.value,
                    "since": times.minute(found.since),
                }


def _budgets(figures: Figures) -> list[dict[str, Any]]:
    return [
        {
            "name": use.name,
            "limit": str(use.limit),
            "used": use.used,
            "share": share_of(use.used, use.limit.amount),
            "verdict": use.verdict,
        }
        for use in figures.budgets
    ]
