"""What people can do from their phone and their mail: acknowledge an incident, silence a rule. Only what concerns them.

The functions return the result in words for them, which name no other person's address.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ...domain.delivery import Delivery
from ...domain.monitor import MonitorState
from ...domain.people import Channel, Person
from ...domain.rule import Rule
from ...domain.settings import Settings
from ...platform.phrases import did_you_mean, duration
from ...policy.controls import active_silence, new_silence
from ...policy.incident import acknowledge
from ...store.incidents import Incidents
from ..deliver import Deliverer

_MAX_TRIES = 5
MAX_REMEMBERED = timedelta(days=7)  # how far back the newest message is looked for
_MAX_ROWS = 500  # and among how many of the newest deliveries


class NotDone(ValueError):
    """An action that cannot be done; the text is one sentence that says why."""


def rules_of(settings: Settings, person: str) -> dict[str, Rule]:
    """The rules and monitors that notify a person, by name."""
    monitors = {
        monitor.name: monitor.rule
        for monitor in settings.monitors
        if any(recipient.person.name == person for recipient in (*monitor.rule.recipients, *monitor.on_error))
    }
    rules = {rule.name: rule for rule in settings.rules if any(to.person.name == person for to in rule.recipients)}
    return rules | monitors


def open_incidents(settings: Settings, incidents: Incidents, person: str) -> list[MonitorState]:
    """The open incidents that a person was notified of, the newest first."""
    names = rules_of(settings, person)
    states = [state for state in incidents.all().values() if (state.rule or state.name) in names]
    reported = [state for state in states if state.incident and state.incident.reported_at]
    return sorted(reported, key=_opened_at, reverse=True)


def acknowledge_incident(deliverer: Deliverer, incidents: Incidents, person: str, target: str) -> str:
    """Acknowledge the newest open incident that a person was notified of, or the one of a monitor or an id.

    Raises:
        NotDone: there is none.
    """
    for _ in range(_MAX_TRIES):
        state = _choose(open_incidents(deliverer.settings, incidents, person), target)
        name, incident, now = state.display_name or state.name, state.incident, deliverer.clock()
        if incident and incident.acked_at:
            return f"{name} was acknowledged {duration(now - incident.acked_at)} ago by {incident.acked_by}."
        if incidents.save(state, acknowledge(state, person, now), now):
            return f"Acknowledged {name}: no reminders until it gets worse."
    raise NotDone("The monitor keeps changing; try again in a minute.")


def mute_rule(deliverer: Deliverer, person: str, target: str, lasts: timedelta, how: str) -> str:
    """Silence the rule of the newest text to a person, or the rule of a name. `how` is stored as the reason.

    Raises:
        NotDone: there is no such rule, or it cannot be silenced for so long.
    """
    name = _rule_name(deliverer, person, target)
    if lasts <= timedelta(0):
        raise NotDone("0 minutes are over already; for example: MUTE 2h")
    try:
        silence = new_silence(name, deliverer.clock(), lasts, person, how)
    except (ValueError, OverflowError):
        raise NotDone("MUTE lasts at most 30 days.") from None
    deliverer.control.silence(silence)
    return f"Muted {name} for {duration(lasts)}, for everybody. To end it: UNMUTE {name}"


def unmute_rule(deliverer: Deliverer, person: str, target: str) -> str:
    """End the silence of a rule; without a name, of the only one of the person's rules that is silenced.

    Raises:
        NotDone: there is no such silence.
    """
    silenced = silenced_rules(deliverer, person)
    if not target and len(silenced) == 1:
        target = silenced[0]
    if not target:
        raise NotDone(f"Muted: {', '.join(silenced)}. Add the name: UNMUTE {silenced[0]}" if silenced else "Nothing is muted.")
    name = _known_rule(deliverer.settings, person, target)
    if name not in silenced:
        raise NotDone(f"{name} is not muted.")
    deliverer.control.unsilence(name)
    return f"{name} notifies again."


def silenced_rules(deliverer: Deliverer, person: str) -> list[str]:
    """The rules that notify a person and are silenced now."""
    silences, now = deliverer.control.fresh().silences, deliverer.clock()
    return [name for name in rules_of(deliverer.settings, person) if active_silence(silences, name, now)]


def describe_status(deliverer: Deliverer, incidents: Incidents, person: str) -> str:
    """The open incidents and silences that concern a person."""
    now, open_ = deliverer.clock(), open_incidents(deliverer.settings, incidents, person)
    lines = [
        f"{state.display_name or state.name}: {state.level} for {duration(now - (state.since or now))}"
        + (", acknowledged" if state.incident and state.incident.acked_at else "")
        for state in open_
    ]
    silenced = silenced_rules(deliverer, person)
    muted = f" Muted: {', '.join(silenced)}." if silenced else ""
    return f"{'; '.join(lines) or 'No open incidents'}.{muted}"


def _choose(states: list[MonitorState], target: str) -> MonitorState:
    if not target:
        if states:
            return next((state for state in states if state.incident and not state.incident.acked_at), states[0])
        raise NotDone("No open incident was sent to you.")
    for state in states:
        names = {name.casefold() for name in (state.name, state.display_name) if name}
        if target.casefold() in names or (state.incident and state.incident.id == target.casefold()):
            return state
    names_open = ", ".join(state.display_name or state.name for state in states)
    raise NotDone(f"No open incident of {target}. {f'Open: {names_open}' if names_open else 'None is open'}.")


def _rule_name(deliverer: Deliverer, person: str, target: str) -> str:
    if target:
        return _known_rule(deliverer.settings, person, target)
    if newest := next(_newest_rules(deliverer, person), ""):
        return newest
    raise NotDone("No text of a rule was sent to you lately. Add its name: MUTE invoices 2h")


def _newest_rules(deliverer: Deliverer, person: str) -> Iterator[str]:
    """The rules of the newest texts to a person, newest first. Reads a limited number of rows."""
    now, names = deliverer.clock(), rules_of(deliverer.settings, person)
    for _, row in zip(range(_MAX_ROWS), deliverer.ledger.newest(now - MAX_REMEMBERED, now), strict=False):
        if (
            isinstance(row, Delivery)
            and row.person == person
            and row.channel is Channel.SMS
            and row.sent_at
            and row.rule in names
        ):
            yield row.rule


def _known_rule(settings: Settings, person: str, target: str) -> str:
    names = {name.casefold(): name for name in rules_of(settings, person)}
    if name := names.get(target.casefold()):
        return name
    matching = [name for folded, name in names.items() if folded.startswith(target.casefold())]
    if len(matching) == 1:
        return matching[0]
    raise NotDone(f"No rule {target} notifies you{'; ' if (hint := did_you_mean(target, list(names.values()))) else '.'}{hint}")


def _opened_at(state: MonitorState) -> datetime:
    return state.incident.opened_at if state.incident else datetime.min


def person_of_number(settings: Settings, number: str) -> Person | None:
    """The person who has a phone number; None if nobody, or several people, have it."""
    people = [person for person in settings.people.values() if person.sms == number and number]
    return people[0] if len(people) == 1 else None
