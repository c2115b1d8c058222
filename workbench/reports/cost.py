"""Models what uploads cost on AWS: billed time at a memory size, and a file of prices.

Lambda scales the CPU with memory: a function has one full vCPU at 1,769 MB and a share of one below. So computing takes longer
with less memory, and waiting does not. The start of a container is not throttled, and is billed.
Source: AWS Lambda developer guide, "Configure Lambda function memory"; AWS compute blog, "AWS Lambda standardizes billing for
INIT phase" (2025).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from chalicelib.counting.money import Prices

FULL_CPU_MB = 1769
SIZES_MB = (128, 256, 512, 1024)
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Work:
    """What one upload uses, measured at full CPU speed."""

    wall_ms: float
    cpu_ms: float
    writes: float = 0.0  # DynamoDB request units
    reads: float = 0.0
    mails: float = 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars per million uploads."""

    lambda_: float
    dynamodb: float
    ses: float

    @property
    def total(self) -> float:
        """The sum of all services."""
        return self.lambda_ + self.dynamodb + self.ses


def modelled_ms(wall_ms: float, cpu_ms: float, memory_mb: int) -> float:
    """Return the modelled duration at a memory size: waiting as measured, computing stretched by the share of the CPU."""
    waited_ms = max(0.0, wall_ms - cpu_ms)  # several threads can use more CPU time than wall time
    return waited_ms + cpu_ms * max(1.0, FULL_CPU_MB / memory_mb)


def billed_ms(wall_ms: float, cpu_ms: float, memory_mb: int) -> int:
    """Return the modelled duration as Lambda bills it: every millisecond begun."""
    return ceil(round(modelled_ms(wall_ms, cpu_ms, memory_mb), 6))  # 12.000000001 is 12


def cost_per_million(work: Work, memory_mb: int, prices: Prices, arch: str = "x86_64") -> Cost:
    """Return the cost of a million such uploads. `arch` is x86_64 or arm64.

    Both architectures are assumed to take the same time: only the price differs.
    """
    gb_second = prices.lambda_.arm64_per_gb_second if arch == "arm64" else prices.lambda_.x86_64_per_gb_second
    gb_seconds = billed_ms(work.wall_ms, work.cpu_ms, memory_mb) / 1000 * memory_mb / 1024 * _MILLION
    return Cost(
        lambda_=gb_seconds * gb_second + prices.lambda_.per_million_requests,
        dynamodb=work.writes * prices.dynamodb.per_million_writes + work.reads * prices.dynamodb.per_million_reads,
        ses=work.mails * prices.ses.per_thousand_mails * 1000,
    )


def recommended_mb(work: Work, prices: Prices, within_ms: float, sizes: Iterable[int] = SIZES_MB) -> int:
    """Return the cheapest memory size that keeps an upload below the time limit, by the model; the largest if none does."""
    ascending = sorted(sizes)
    fast_enough = [size for size in ascending if modelled_ms(work.wall_ms, work.cpu_ms, size) < within_ms]
    return min(fast_enough, key=lambda size: cost_per_million(work, size, prices).total) if fast_enough else ascending[-1]
