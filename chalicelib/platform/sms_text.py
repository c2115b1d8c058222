"""Counts the segments of a text as phone networks do, spares segments that only typography would cost, and cuts a text to fit.

Source: 3GPP TS 23.038 (GSM 7-bit default alphabet and its extension table), TS 23.040 (a segment of a long text holds 153
septets or 67 UCS-2 units); Twilio docs, "What is GSM-7 character encoding".
"""

import unicodedata
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from .sanitize import drop_cut_extension, graphemes

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # two septets each

# Punctuation that would turn the text into UCS-2 and more than double its price
_GSM_PUNCTUATION = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
        "…": "...",
        "•": "*",
        "·": "-",
    }
)

# Letters whose closest equivalent is not the letter without its accent (Unicode has no decomposition, or GSM-7 has a closer one)
_CLOSE_LETTERS = {
    **dict(zip("őŐűŰǿǾǽǼ", "öÖüÜøØæÆ", strict=True)),
    **dict(zip("łŁđĐðÐħĦŧŦı", "lLdDdDhHtTi", strict=True)),
    "œ": "oe",
    "Œ": "OE",
    "þ": "th",
    "Þ": "Th",
    "ẞ": "SS",
}


class Segments(Struct, frozen=True):
    """The length of a text: `segments` are billed; `units` are septets in GSM-7, 16-bit units in UCS-2."""

    encoding: Literal["GSM-7", "UCS-2"]
    segments: int
    units: int


def simplify(text: str) -> str:
    """Replace what would turn a text into UCS-2 by its closest equivalent in GSM-7, if that makes all of it GSM-7.

    Punctuation always; accents only if they cost a segment. A text with a letter that GSM-7 cannot come close to, such as a name
    in Greek or Hindi, stays exactly as it is: it would lose letters, and typographic quotes do not change its price.
    """
    if is_gsm(text):
        return text
    plain = text.translate(_GSM_PUNCTUATION)
    if is_gsm(plain):
        return plain
    close = "".join(map(_close_letter, unicodedata.normalize("NFC", plain)))
    return close if is_gsm(close) and count_segments(close).segments < count_segments(text).segments else text


def _close_letter(character: str) -> str:
    """The letter itself if GSM-7 has it, otherwise a close Latin one; any other character is returned as it is."""
    if character in _BASIC or character in _EXTENDED:
        return character
    decomposed = unicodedata.normalize("NFD", character)
    base, marks = decomposed[0], decomposed[1:]
    if marks and base.isascii() and all(unicodedata.combining(mark) for mark in marks):
        return _CLOSE_LETTERS.get(character, base)
    return _CLOSE_LETTERS.get(character, character)


def is_gsm(text: str) -> bool:
    """Whether GSM-7 can encode the text."""
    return all(character in _BASIC or character in _EXTENDED for character in text)


def count_segments(text: str) -> Segments:
    """Count the segments of a text. A character of two units is never split between two segments."""
    if is_gsm(text):
        widths = [2 if character in _EXTENDED else 1 for character in text]
        return Segments("GSM-7", _segments_of(widths, 160, 153), sum(widths))
    widths = [2 if ord(character) > 0xFFFF else 1 for character in text]
    return Segments("UCS-2", _segments_of(widths, 70, 67), sum(widths))


def _segments_of(widths: Iterable[int], single: int, part: int) -> int:
    """How many segments characters of these widths fill: one of `single` units, or several of `part` units."""
    widths = list(widths)
    if sum(widths) <= single:
        return 1
    segments, room = 1, part
    for width in widths:
        if width > room:
            segments, room = segments + 1, part
        room -= width
    return segments


def fit(text: str, max_segments: int, link: str = "") -> str:
    """Cut a text, between graphemes, to at most `max_segments`, and mark the cut with an ellipsis. A link at the end is kept."""
    end = f"\n{link}" if link else ""
    if count_segments(text + end).segments <= max_segments:
        return text + end
    characters = graphemes(text)
    shortest, longest = 0, len(characters) - 1
    while shortest < longest:  # the longest beginning that fits: more characters never take fewer segments
        middle = (shortest + longest + 1) // 2
        if count_segments(_cut(characters[:middle]) + end).segments <= max_segments:
            shortest = middle
        else:
            longest = middle - 1
    return _cut(characters[:shortest]) + end


def _cut(characters: list[str]) -> str:
    beginning = drop_cut_extension("".join(characters).rstrip())
    return beginning + ("..." if is_gsm(beginning) else "…")
