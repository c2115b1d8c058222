"""What uploads cost on AWS: a model of billed time at a memory size, and a file of prices.

Lambda rations the processor: a function has one whole processor at 1,769 MB, and its share of one below. So what it computes
takes longer the less memory it has, and what it waits for does not. The start of a container is not rationed, and is billed.
Source: AWS Lambda developer guide, "Configure Lambda function memory"; AWS compute blog, "AWS Lambda standardizes billing for
INIT phase" (2025).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import msgspec

WHOLE_PROCESSOR_MB = 1769
SIZES_MB = (128, 256, 512, 1024)
PRICES = Path(__file__).with_name("prices.toml")
_MILLION = 1_000_000


class LambdaPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars."""

    per_million_requests: float
    x86_64_per_gb_second: float
    arm64_per_gb_second: float


class DynamoDbPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars, on demand."""

    per_million_writes: float
    per_million_reads: float


class SesPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars."""

    per_thousand_mails: float


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"lambda_": "lambda"}):
    """The prices of one region at one time."""

    dated: str  # year and month
    region: str
    lambda_: LambdaPrices
    dynamodb: DynamoDbPrices
    ses: SesPrices


@dataclass(frozen=True, slots=True)
class Work:
    """What one upload takes, as measured at full speed."""

    wall_ms: float
    cpu_ms: float
    writes: float = 0.0  # DynamoDB's request units
    reads: float = 0.0
    mails: float = 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars for a million uploads."""

    lambda_: float
    dynamodb: float
    ses: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.lambda_ + self.dynamodb + self.ses


def read_prices(file: Path = PRICES) -> Prices:
    """The prices of the file.

    Raises:
        msgspec.ValidationError: a price is missing, or of an unknown name.
    """
    return msgspec.toml.decode(file.read_bytes(), type=Prices)


def modelled_ms(wall_ms: float, cpu_ms: float, memory_mb: int) -> float:
    """How long it takes with that much memory, by the model: waiting as measured, computing by the processor's share."""
    waited_ms = max(0.0, wall_ms - cpu_ms)  # several threads can use more than the clock shows
    return waited_ms + cpu_ms * max(1.0, WHOLE_PROCESSOR_MB / memory_mb)


def billed_ms(wall_ms: float, cpu_ms: float, memory_mb: int) -> int:
    """The same as Lambda bills it: each millisecond that has begun."""
    return ceil(round(modelled_ms(wall_ms, cpu_ms, memory_mb), 6))  # 12.000000001 is 12


def cost_per_million(work: Work, memory_mb: int, prices: Prices, arch: str = "x86_64") -> Cost:
    """What a million such uploads cost. `arch` is Lambda's name of it: x86_64 or arm64.

    The time of one architecture is taken for the other's: only the price differs.
    """
    gb_second = prices.lambda_.arm64_per_gb_second if arch == "arm64" else prices.lambda_.x86_64_per_gb_second
    gb_seconds = billed_ms(work.wall_ms, work.cpu_ms, memory_mb) / 1000 * memory_mb / 1024 * _MILLION
    return Cost(
        lambda_=gb_seconds * gb_second + prices.lambda_.per_million_requests,
        dynamodb=work.writes * prices.dynamodb.per_million_writes + work.reads * prices.dynamodb.per_million_reads,
        ses=work.mails * prices.ses.per_thousand_mails * 1000,
    )


def recommended_mb(work: Work, prices: Prices, within_ms: float, sizes: Iterable[int] = SIZES_MB) -> int:
    """The cheapest memory size at which such an upload stays below that time, by the model; the largest when none does."""
    known = sorted(sizes)
    quick = [size for size in known if modelled_ms(work.wall_ms, work.cpu_ms, size) < within_ms]
    return min(quick, key=lambda size: cost_per_million(work, size, prices).total) if quick else known[-1]
