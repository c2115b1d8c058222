"""What a text costs, and 1,000 uploads that a rule sends by text, from the price file."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from chalicelib.counting.money import PRICES, Prices, read_prices
from chalicelib.domain.event import Event, Kind
from chalicelib.domain.people import Channel
from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import Settings
from chalicelib.platform.fields.countries import country_of
from chalicelib.platform.phrases import pluralize
from chalicelib.platform.sms_text import count_segments
from chalicelib.rendering.renderer import Renderer
from chalicelib.rules.recipients import notices_for_rule

UPLOADS = 1000
_PRICED_LIKE = {"CA": "US"}  # countries that share the prefix and the price of another


class TextPrice(Struct, frozen=True):
    """The price of a text in US dollars, and the country of its number; None if the price file lacks the country."""

    country: str
    dollars: float | None

    def __str__(self) -> str:
        return f"${self.dollars:.4f} to {self.country}" if self.dollars is not None else f"price to {self.country} unknown"


def text_price(number: str, segments: int, prices: Prices) -> TextPrice:
    """The price of a text of so many segments: that of the number's longest prefix in the price file.

    A prefix is for the numbers of its own country: +1 876 (Jamaica) is not +1.
    """
    country, digits = country_of(number), number.removeprefix("+")
    known = (digits[:end] for end in range(len(digits), 0, -1) if digits[:end] in prices.sms.per_segment)
    prefix = next((prefix for prefix in known if country_of(prefix) == _PRICED_LIKE.get(country, country)), "")
    return TextPrice(country or "an unknown country", prices.sms.per_segment[prefix] * segments if prefix else None)


def rule_price(prices: Iterable[TextPrice]) -> str:
    """What an upload and 1,000 uploads cost by these texts; countries whose price is unknown are named."""
    listed = list(prices)
    dollars = sum(price.dollars for price in listed if price.dollars is not None)
    unknown = sorted({price.country for price in listed if price.dollars is None})
    cost = f"${dollars:.4f} per upload, ${dollars * UPLOADS:,.2f} per {UPLOADS:,} uploads" if dollars else ""
    missing = f"price to {', '.join(unknown)} unknown: add it to chalicelib/counting/{PRICES.name}" if unknown else ""
    return "; ".join(filter(None, (cost, missing)))


def has_price(line: str) -> bool:
    """Whether a line of this module has a price: a source is named for none that is unknown."""
    return "$" in line


def source_of(prices: Prices) -> str:
    """Where the prices are from, and of which month."""
    return f"Twilio's list prices of {prices.sms.dated}, without carrier fees: {prices.sms.source}"


def preview_line(text: str, settings: Settings) -> str:
    """A text's segments, and what it and 1,000 of it cost in each country that the settings have a number in."""
    count, prices = count_segments(text), read_prices()
    listed = {str(price): price for price in _of_people(settings, count.segments, prices)}
    costs = [
        f"{name} (${price.dollars * UPLOADS:,.2f} per {UPLOADS:,})" if price.dollars else name for name, price in listed.items()
    ]
    size = f"{pluralize(count.segments, 'segment')}, {count.encoding}"
    if not costs:
        return size
    line = f"{size}: {', '.join(costs)}"
    return f"{line}; {source_of(prices)}" if has_price(line) else line


def _of_people(settings: Settings, segments: int, prices: Prices) -> Iterator[TextPrice]:
    return (text_price(person.sms, segments, prices) for person in settings.people.values() if person.sms)


def rule_lines(settings: Settings, renderer: Renderer, sample: Event) -> Iterator[str]:
    """For each rule on uploads that sends texts: what they cost for a sample upload, if each is sent on its own."""
    prices = read_prices()
    for rule in settings.rules:
        if rule.on is not Kind.UPLOAD:
            continue
        if texts := list(_texts(rule, renderer, sample, prices)):
            most = "at most, because bursts become summaries" if rule.bundles or rule.digest else "one text for each upload"
            yield f"rule {rule.name}: SMS cost {rule_price(texts)} ({most})"


def _texts(rule: Rule, renderer: Renderer, event: Event, prices: Prices) -> Iterator[TextPrice]:
    for notice in notices_for_rule(event, rule):
        if notice.recipient.channel is Channel.SMS:
            person = notice.recipient.person
            rendered = renderer.render(notice.template, channel=Channel.SMS, event=event, rule=rule.name, person=person)
            yield text_price(person.sms, count_segments(rendered.message.text).segments, prices)
