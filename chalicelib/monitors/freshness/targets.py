"""What all targets of freshness checks share: the arrivals they return, the query they answer, and their AWS errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from ...domain.monitor import ProbeContext, ProbeError

Arrivals = tuple[tuple[datetime, float], ...]  # for each arrival, its time (UTC) and its bytes or count


class ArrivalQuery(Struct, frozen=True):
    """Which arrivals a check needs."""

    now: datetime
    start: datetime  # earlier arrivals are not needed; a target that cannot filter by time may return them
    local_times: tuple[datetime, ...]  # values of {date:…}, newest first
    is_enough: Callable[[Arrivals], bool] = lambda arrivals: False  # whether the remaining local times can be skipped


class Target(Protocol):
    """Where data arrives."""

    @property
    def description(self) -> str:
        """The target as the settings name it."""

    @property
    def needs_time_filter(self) -> bool:
        """Whether arrivals before the query's start must be dropped from what `probe` returns."""

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """Required IAM permissions, as in domain.monitor.Check."""

    def name(self, local_time: datetime) -> str:
        """What is expected at a local time."""

    def location(self, local_time: datetime) -> str:
        """Where it arrives."""

    def probe(self, context: ProbeContext, query: ArrivalQuery) -> tuple[Arrivals, bool]:
        """Return the arrivals, and whether the list is truncated.

        Raises:
            ProbeError: the request failed.
        """


@contextmanager
def aws_errors() -> Iterator[None]:
    """Raise AWS errors as ProbeError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise ProbeError(f"AWS returned {error.response['Error']['Code']}") from error
    except BotoCoreError as error:
        raise ProbeError(f"no response from AWS ({type(error).__name__})") from error
