"""Countries by the prefix of a number, and the error for an unknown one."""

import pytest

from chalicelib.platform.fields.countries import COUNTRIES, calling_code, country, country_of, pricing_code
from chalicelib.platform.fields.table import FieldError


@pytest.mark.parametrize(
    ("number", "place"),
    [
        ("+919812345678", "IN"),
        ("+15005550006", "US"),
        ("+14165550100", "CA"),
        ("+18095550100", "DO"),
        ("+18765550100", "JM"),
        ("+79161234567", "RU"),
        ("+77011234567", "KZ"),
        ("+447400123456", "GB"),
        ("+447781123456", "GG"),
        ("+393331234567", "IT"),
        ("+4917612345678", "DE"),
        ("+59991234567", "CW"),
        ("+8816123456789", ""),  # a satellite network
        ("+999123456789", ""),
    ],
)
def test_longest_prefix_decides(number: str, place: str) -> None:
    assert country_of(number) == place


def test_codes_are_iso_codes() -> None:
    assert len(COUNTRIES) > 220
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES)


@pytest.mark.parametrize(
    ("text", "hint"),
    [("UK", "did you mean 'GB'?"), ("in", "did you mean 'IN'?"), ("ZZ", 'use ISO codes, for example "IN" or "DE"')],
)
def test_unknown_country_has_a_next_step(text: str, hint: str) -> None:
    with pytest.raises(FieldError, match=f"unknown country '{text}'") as caught:
        country(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("number", "code"), [("+919812345678", "91"), ("+15005550006", "1"), ("+4915112345", "49"), ("+35361234567", "353"), ("", "")]
)
def test_calling_code(number: str, code: str) -> None:
    assert calling_code(number) == code


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+919812345678", "91"),
        ("+15005550006", "1"),
        ("+14165550100", "1"),  # Canada
        ("+18765550100", "1876"),  # Jamaica
        ("+77012345678", "77"),  # Kazakhstan
        ("+447797712345", "447797"),  # Jersey
        ("+59991234567", "599"),
        ("", ""),
    ],
)
def test_country_that_shares_a_calling_code_has_a_price_of_its_own(number: str, code: str) -> None:
    assert pricing_code(number) == code
