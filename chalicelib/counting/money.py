"""What a month's messages cost, by a dated table of prices. An estimate: the bills of AWS and Twilio also have discounts, carrier
fees and taxes.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from ..store.counts.hourly import HourlyRow

PRICES = Path(__file__).with_name("prices.toml")


class LambdaPrices(Struct, frozen=True, forbid_unknown_fields=True):
    """Prices in US dollars."""

    per_million_requests: float
    x86_64_per_gb_second: float
    arm64_per_gb_second: float


class DynamoDbPrices(Struct, frozen=True, forbid_unknown_fields=True):
    """Prices in US dollars, on demand."""

    per_million_writes: float
    per_million_reads: float


class SesPrices(Struct, frozen=True, forbid_unknown_fields=True):
    """Prices in US dollars."""

    per_thousand_mails: float


class SmsPrices(Struct, frozen=True, forbid_unknown_fields=True):
    """Prices in US dollars, of a text's segment, by the recipient's country calling code ("1", "91")."""

    dated: str  # year and month
    source: str
    per_segment: Mapping[str, float]


class Prices(Struct, frozen=True, forbid_unknown_fields=True, rename={"lambda_": "lambda"}):
    """The prices in one region at one date."""

    dated: str  # year and month
    region: str
    lambda_: LambdaPrices
    dynamodb: DynamoDbPrices
    ses: SesPrices
    sms: SmsPrices = SmsPrices("", "", {})


class Spent(Struct, frozen=True):
    """What messages cost, in US dollars; AWS's own services (Lambda, DynamoDB) are not included."""

    mails: int
    mails_usd: float
    segments: int
    segments_usd: float
    unpriced: Mapping[str, int]  # segments by calling code, where the table has no price: not part of segments_usd
    dated: str  # of the prices of mails: year and month
    sms_dated: str = ""  # of those of texts

    @property
    def usd(self) -> float:
        """The sum."""
        return self.mails_usd + self.segments_usd


def read_prices(file: Path = PRICES) -> Prices:
    """Read the price file.

    Raises:
        msgspec.ValidationError: a price is missing or unknown.
    """
    return msgspec.toml.decode(file.read_bytes(), type=Prices)


def spent(row: HourlyRow, prices: Prices, *, by_ses: bool = True) -> Spent:
    """What the messages of an hour or month cost. `by_ses`: whether SES sends the mails; an SMTP server's price is unknown."""
    mails = sum(n for outcome, n in row.deliveries.items() if (outcome.channel, outcome.state) == ("email", "sent"))
    per_segment = prices.sms.per_segment
    return Spent(
        mails=mails,
        mails_usd=mails * prices.ses.per_thousand_mails / 1000 if by_ses else 0.0,
        segments=sum(row.segments.values()),
        segments_usd=sum(n * per_segment[code] for code, n in row.segments.items() if code in per_segment),
        unpriced={code: n for code, n in row.segments.items() if code not in per_segment},
        dated=prices.dated,
        sms_dated=prices.sms.dated,
    )
