"""The length of a text, as phone networks count it, and cutting one to fit.

Source: 3GPP TS 23.038 (GSM 7-bit default alphabet and its extension table), TS 23.040 (a long text's segments carry 153
septets or 67 UCS-2 units of it); Twilio docs, "What is GSM-7 character encoding".
"""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from .sanitize import drop_cut_extension, graphemes

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # two septets each

# Punctuation that would turn a whole text into UCS-2 and more than double its price; letters are never changed.
_PLAIN = str.maketrans(
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


class Segments(Struct, frozen=True):
    """What a text costs: `segments` are billed; `units` are septets in GSM-7, 16-bit units in UCS-2."""

    encoding: Literal["GSM-7", "UCS-2"]
    segments: int
    units: int


def plain(text: str) -> str:
    """Replace punctuation that GSM-7 lacks by what it has."""
    return text.translate(_PLAIN)


def is_gsm(text: str) -> bool:
    """Whether GSM-7 can write the text."""
    return all(letter in _BASIC or letter in _EXTENDED for letter in text)


def count_segments(text: str) -> Segments:
    """Count the segments of a text. What takes two units is never split between two segments."""
    if is_gsm(text):
        widths = [2 if letter in _EXTENDED else 1 for letter in text]
        return Segments("GSM-7", _packed(widths, 160, 153), sum(widths))
    widths = [2 if ord(letter) > 0xFFFF else 1 for letter in text]
    return Segments("UCS-2", _packed(widths, 70, 67), sum(widths))


def _packed(widths: Iterable[int], single: int, part: int) -> int:
    widths = list(widths)
    if sum(widths) <= single:
        return 1
    segments, room = 1, part
    for width in widths:
        if width > room:
            segments, room = segments + 1, part
        room -= width
    return segments


def fit(text: str, max_segments: int) -> str:
    """Cut a text, between graphemes, so that it takes at most `max_segments`, and mark the cut with an ellipsis."""
    if count_segments(text).segments <= max_segments:
        return text
    letters = graphemes(text)
    shortest, longest = 0, len(letters) - 1
    while shortest < longest:  # the longest beginning that fits: with more letters a text never takes fewer segments
        middle = (shortest + longest + 1) // 2
        if count_segments(_cut(letters[:middle])).segments <= max_segments:
            shortest = middle
        else:
            longest = middle - 1
    return _cut(letters[:shortest])


def _cut(letters: list[str]) -> str:
    kept = drop_cut_extension("".join(letters).rstrip())
    return kept + ("..." if is_gsm(kept) else "…")
