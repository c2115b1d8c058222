"""[sms] countries: a number elsewhere is an error of its person, and the transport refuses it as well."""

import pytest

from chalicelib.domain.settings import SettingsError
from tests.support.builders import some_settings


def with_countries(countries: str, person: str = "") -> list[str]:
    replaced = {"[sms]\n": f"[sms]\ncountries = {countries}\n"}
    try:
        some_settings(person, **replaced)
    except SettingsError as error:
        return [str(finding) for finding in error.findings]
    return []


def test_number_in_an_allowed_country_is_valid() -> None:
    assert with_countries('["IN", "DE"]') == []
    assert with_countries('"IN"') == []


def test_number_elsewhere_is_refused_without_showing_it() -> None:
    assert with_countries('["DE", "FR"]') == [
        "[people.asha], sms: +91…78 is in IN; texts may only go to DE, FR; "
        'add "IN" to countries in [sms], or remove the number'
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("countries", "error"),
    [
        ('["UK"]', "[sms], countries: unknown country 'UK'; did you mean 'GB'?"),
        ("[]", "[sms], countries: empty; remove it to allow every country"),
        ("[91]", "[sms], countries: every entry must be text, not a whole number; put it in quotes"),
    ],
)
def test_mistakes_name_the_next_step(countries: str, error: str) -> None:
    assert with_countries(countries) == [error]
