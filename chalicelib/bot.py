"""The bot: settings, rules and deliverer put together; what each binding of app.py calls."""

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from . import log
from .audience import Notice, by_person, by_rule
from .deliver import Deliverer
from .delivery import Delivery
from .events import Batch, Event, Kind, Unknown, Upload, identity_of
from .rows import Parked
from .rules import RuleIndex
from .settings import Rule, Settings

_TEST_KEY = "example/test-upload.txt"
_TEST_SIZE = 12_345


class UnknownTarget(ValueError):
    """A test was asked for somebody or something the settings do not have; the text says what they do have."""


class Bot:
    """One container's bot. A payload may come again, to every method: what was done is not done twice."""

    def __init__(self, settings: Settings, deliverer: Deliverer) -> None:
        self._settings = settings
        self._deliverer = deliverer
        self._rules = RuleIndex(settings.rules)

    def take(self, batch: Batch) -> list[Delivery]:
        """Announce every event of a batch and park what was not understood; gives the deliveries that this call made.

        Raises:
            ExceptionGroup: some record failed, the ledger being out of reach, say. The others are done; AWS sends the
                batch again, and then only what is missing is done.
        """
        done: list[Delivery] = []
        failures: list[Exception] = []
        for name in batch.ignored:
            log.info("ignored", what=name)
        for unknown in batch.unknown:
            with _isolated(failures):
                self._park(unknown)
        for event in batch.events:
            with _isolated(failures):
                done += self._announce(event)
        if failures:
            raise ExceptionGroup("some records could not be dealt with", failures)
        return done

    def sweep(self, time_left: Callable[[], timedelta]) -> list[Delivery]:
        """Deliver what is due, for as long as there is time."""
        return self._deliverer.sweep(time_left)

    def test(self, target: str, request: str) -> list[Delivery]:
        """Send a message marked [TEST] to a person, a group, or everybody a rule names, the way a real one goes.

        `request` is the id of the request: asked again under the same id, nothing more is sent.

        Raises:
            UnknownTarget: the settings have no such person, group or rule.
        """
        rule = next((rule for rule in self._settings.rules if rule.name == target), None)
        now = self._deliverer.clock()
        event = Event(
            Kind.TEST,
            identity_of("test", target, request),
            now,
            upload=Upload(rule.bucket, _TEST_KEY, _TEST_SIZE) if rule else None,
            detail=f"asked for with: test {target}",
        )
        done = (self._deliverer.deliver(notice) for notice in self._notices_of_test(event, rule, target))
        return [delivery for delivery in done if delivery]

    def _notices_of_test(self, event: Event, rule: Rule | None, target: str) -> list[Notice]:
        if rule is not None:
            return by_rule(event, rule)
        people = self._settings.people
        names = self._settings.groups.get(target, (target,) if target in people else ())
        if not names:
            known = [*people, *self._settings.groups, *(rule.name for rule in self._settings.rules)]
            near = difflib.get_close_matches(target, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise UnknownTarget(f"the settings have no person, group or rule {target!r}; {hint}")
        return [notice for name in names for notice in by_person(event, people[name], every_channel=True)]

    def _announce(self, event: Event) -> list[Delivery]:
        matches = self._rules.match(event)
        if not matches:
            log.info("no-rule", event=event.identity, bucket=event.upload and event.upload.bucket)
        notices = [notice for match in matches for notice in by_rule(event, match.rule)]
        failures: list[Exception] = []
        done: list[Delivery] = []
        for notice in notices:
            with _isolated(failures):
                delivery = self._deliverer.deliver(notice)
                done += [delivery] if delivery else []
        if failures:
            raise ExceptionGroup("some deliveries could not be made", failures)
        return done

    def _park(self, unknown: Unknown) -> None:
        parked = Parked.of(unknown, self._deliverer.clock())
        if self._deliverer.ledger.park(parked):
            log.warning("parked", parked=parked.id, source=unknown.source, why=unknown.why)
            self._deliverer.tell_owner(
                f"parked {unknown.source}",
                f"A payload from {unknown.source} was not understood and is kept as {parked.id}: {unknown.why}.",
            )


@contextmanager
def _isolated(failures: list[Exception]) -> Iterator[None]:
    """Whatever goes wrong in here goes to `failures` and stops nothing else."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  the others of the batch are innocent of it
        log.warning("record-failed", error=type(error).__name__, detail=str(error))
        failures.append(error)
