"""What texts cost: by country, in check, explain and preview."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.counting.money import PRICES, read_prices
from tests.support.builders import SETTINGS, some_settings
from workbench.cli.main import main
from workbench.reports.check import check_all
from workbench.reports.texts.prices import TextPrice, preview_line, rule_price, text_price


@pytest.mark.parametrize(
    ("number", "segments", "price"),
    [
        ("+919812345678", 1, "$0.0832 to IN"),
        ("+919812345678", 2, "$0.1664 to IN"),
        ("+15005550006", 1, "$0.0083 to US"),
        ("+14165550100", 1, "$0.0083 to CA"),
        ("+18765550100", 1, "price to JM unknown"),  # shares +1, not its price
        ("+393331234567", 1, "$0.0927 to IT"),
        ("+3906698123456", 1, "price to VA unknown"),
        ("+8816123456789", 1, "price to an unknown country unknown"),
    ],
)
def test_longest_prefix_of_the_country_has_the_price(number: str, segments: int, price: str) -> None:
    assert str(text_price(number, segments, read_prices())) == price


def test_rule_adds_up_its_texts_and_names_what_is_unknown() -> None:
    texts = [TextPrice("IN", 0.0832), TextPrice("DE", 0.112), TextPrice("JM", None)]
    assert rule_price(texts) == (
        "$0.1952 per upload, $195.20 per 1,000 uploads; price to JM unknown: add it to chalicelib/counting/prices.toml"
    )
    assert rule_price(texts[2:]) == "price to JM unknown: add it to chalicelib/counting/prices.toml"


def test_prices_are_dated_and_name_their_source() -> None:
    sms = read_prices().sms
    assert re.fullmatch(r"20\d\d-\d\d", sms.dated)
    assert sms.source.startswith("www.twilio.com/")
    assert all(prefix.isdigit() and 0 < price < 1 for prefix, price in sms.per_segment.items())
    assert "[sms.per_segment]" in PRICES.read_text()


def test_check_shows_what_each_rule_costs(tmp_path: Path) -> None:
    settings = tmp_path / "dropnote.toml"
    settings.write_text(SETTINGS)
    prices = check_all(settings, "local").as_dict()["prices"]
    assert prices == [
        "rule uploads: SMS cost $0.0832 per upload, $83.20 per 1,000 uploads (one text for each upload)",
        "Twilio's list prices of 2026-08, without carrier fees: www.twilio.com/en-us/sms/pricing",
    ]
    settings.write_text(SETTINGS.replace(', "sms:asha"]', "]"))
    assert check_all(settings, "local").as_dict()["prices"] == []


def test_no_source_is_named_for_a_price_that_is_unknown(tmp_path: Path) -> None:
    settings = tmp_path / "dropnote.toml"
    settings.write_text(SETTINGS.replace("+919812345678", "+8613812345678"))
    assert check_all(settings, "local").as_dict()["prices"] == [
        "rule uploads: SMS cost price to CN unknown: add it to chalicelib/counting/prices.toml (one text for each upload)"
    ]
    people = some_settings(**{"+919812345678": "+8613812345678"})
    assert preview_line("hello", people) == "1 segment, GSM-7: price to CN unknown"


def test_explain_and_preview_show_what_a_text_costs() -> None:
    explained = CliRunner().invoke(main, ["explain", "s3://dropnote-uploads/a.txt"]).output
    assert "→   asha by sms: 1 segment, GSM-7, $0.0832 to IN" in explained
    assert "SMS cost $0.0832 per upload, $83.20 per 1,000 uploads, if each is sent on its own" in explained
    previewed = CliRunner().invoke(main, ["preview", "upload"]).output
    assert "1 segment, GSM-7: $0.0832 to IN ($83.20 per 1,000); Twilio's list prices of 2026-08" in previewed
