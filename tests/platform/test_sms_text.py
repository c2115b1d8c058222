"""What a text costs: typography that GSM-7 lacks is replaced where it costs a segment, and names stay recognizable."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.platform.sms_text import count_segments, is_gsm, simplify

LONG = " Rechnung für März, bitte bis Freitag prüfen und freigeben, danke sehr"  # 68 characters: a segment in UCS-2


@pytest.mark.parametrize(
    ("text", "simplified"),
    [
        ("plain é ü ñ €", "plain é ü ñ €"),
        ("“Report” – it’s here…", '"Report" - it\'s here...'),
        ("in\u00a0a\u202fnarrow space", "in a narrow space"),
        ("Łódź.pdf arrived", "Łódź.pdf arrived"),  # one segment either way: nothing to save
        ("Łódź.pdf" + LONG, "Lodz.pdf" + LONG),
        ("‘ő’ œuvre" + LONG, "'ö' oeuvre" + LONG),
        ("Đặng Thị Hồng" + LONG, "Dang Thi Hong" + LONG),
        ("re\u0301sume\u0301 e\u0301" + LONG, "résumé é" + LONG),  # as macOS writes file names
        ("“отчёт”.pdf" + LONG, "“отчёт”.pdf" + LONG),
        ("Łódź ✓" + LONG, "Łódź ✓" + LONG),
        ("a\u0301" * 40 + "✓", "a\u0301" * 40 + "✓"),
        ("हिन्दी – Łódź" + LONG, "हिन्दी – Łódź" + LONG),
    ],
)
def test_texts(text: str, simplified: str) -> None:
    assert simplify(text) == simplified


@given(some.text(some.characters(codec="utf-8"), max_size=200))
def test_text_is_unchanged_or_gsm_and_never_costs_more(text: str) -> None:
    simplified = simplify(text)
    assert simplified == text or is_gsm(simplified)
    assert count_segments(simplified).segments <= count_segments(text).segments


@given(some.text("abcéőŁđœßŞçğàñ", min_size=1, max_size=200))
def test_no_letter_is_lost(name: str) -> None:
    simplified = simplify(name)
    assert len(simplified) >= len(unicodedata.normalize("NFC", name))
    assert all(character.isalpha() for character in simplified)
