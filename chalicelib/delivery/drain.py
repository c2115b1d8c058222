"""Drains the dead-letter queue: the sweep handles dead-lettered events as if they had just arrived."""

from datetime import timedelta

from ..domain.delivery import Delivery
from ..domain.event import UnknownPayload
from ..platform import log
from ..sources.queues import unwrap
from ..store.dead_letters import DeadLetterQueue
from .deliver import TimeLeft
from .intake import Intake

RESERVE = timedelta(seconds=20)  # a dead-lettered event may need a send, and is then deleted from the queue
MAX_ATTEMPTS = 5  # an event that failed this often would fail forever: it is parked


def drain(queue: DeadLetterQueue | None, intake: Intake, time_left: TimeLeft) -> list[Delivery]:
    """Handle the queue's events while time remains; returns the deliveries created. An event that keeps failing is parked."""
    deliveries: list[Delivery] = []
    for letter in queue.receive() if queue else ():
        if time_left() < RESERVE:
            break
        try:
            deliveries += intake.take(unwrap(letter.text), time_left)
        except ExceptionGroup as error:
            log.warning("dead-event-failed", times=letter.receive_count, detail=str(error))
            if letter.receive_count < MAX_ATTEMPTS:
                continue
            why = f"it failed {letter.receive_count} times: {error.exceptions[0]!r}"
            intake.park(UnknownPayload("dead-events", why, letter.text), time_left)
        if queue:
            queue.delete(letter)
    return deliveries
