"""Makes untrusted text safe to display, and masks addresses for logs and errors."""

import re
import unicodedata
from collections.abc import Callable

# Zero-width joiners and variation selectors belong to emoji and to several scripts.
_ALLOWED_FORMATS = frozenset("\u200c\u200d\ufe0e\ufe0f")
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_SHORT_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

# Extensions of everyday files that are not top-level domains: a phone does not turn these into links. It might any other.
_FILE_EXTENSIONS = frozenset(
    """
    7z arrow avi avro bak bin bmp bz2 csv dat db dcm dll doc docx dotx epub exe feather flac gif gpg gz heic html
    ico iso jpeg jpg json jsonl key log lz4 m4a mkv mp3 mp4 mpeg msi odf ods odt ogg orc parquet pdf pem png ppt
    pptx psd raw rtf sql sqlite svg tar tgz tif tiff tmp toml tsv txt wav webm webp wmv xls xlsb xlsm xlsx xml xz
    yaml yml zst
    """.split()
)
_CUT_EXTENSION = re.compile(r"\.[^\W\d_]*$")
_SCHEME = re.compile(r"(?<=[A-Za-z0-9]):(?=//)")
_DOT = re.compile(r"(?<=[^\s.])\.(?=([^\W\d_]{2,}|xn--)([\w-]*))", re.UNICODE)


def sanitize(text: str) -> str:
    """Make invisible and misleading characters visible: \\n for a line break, \\u202e for a bidi override."""
    if text.isprintable() and text.isascii():
        return text
    return "".join(character if _is_visible(character) else _escape(character) for character in text)


def _is_visible(character: str) -> bool:
    return character in _ALLOWED_FORMATS or unicodedata.category(character) not in _HIDDEN


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def defuse_links(text: str) -> str:
    """Break up anything a phone would turn into a link: "evil .com", "report .zip", "http: //…". Plain file names stay intact."""
    return _DOT.sub(_break_dot, _SCHEME.sub(": ", text))


def _break_dot(dot: re.Match[str]) -> str:
    extension = dot[1] + dot[2]
    rest = dot.string[dot.end() + len(extension) :]
    is_file_name = extension.lower() in _FILE_EXTENSIONS and not rest.startswith(".")
    return "." if is_file_name else " ."


def graphemes(text: str) -> list[str]:
    """The characters as a reader sees them (Unicode Standard Annex 29). Imports its library only when called (30 ms)."""
    import regex

    clusters: list[str] = regex.findall(r"\X", text)
    return clusters


def shorten(text: str, max_length: int) -> str:
    """Cut a text in the middle to at most `max_length` characters; the end of a file name says more, so it gets more room."""
    if len(text) <= max_length:
        return text
    characters = graphemes(text)
    if len(characters) <= max_length:
        return text
    head = (max_length - 1) // 3
    return drop_cut_extension("".join(characters[:head])) + "…" + "".join(characters[head + 1 - max_length :])


def length(text: str) -> int:
    """The characters of a text as a provider may count them: UTF-16 units, of which an emoji has two.

    No page of Slack, Discord or WhatsApp says whether their limits count those or code points; there are never fewer of these.
    """
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, limit: int, escape: Callable[[str], str] = str) -> str:
    """Escape a text, and shorten it in the middle so that the result has a length of at most `limit`."""
    room = limit
    while (size := length(escaped := escape(shorten(text, room)))) > limit:
        room = min(room - 1, room * limit // size)  # an emoji may have ten units, an escaped character has two
        if room < 2:
            return "…"
    return escaped


def drop_cut_extension(text: str) -> str:
    """Drop a trailing dot and what follows it from a text that was cut: ".pa" of ".parquet" would make the name a domain."""
    return _CUT_EXTENSION.sub("", text)


def mask_number(number: str) -> str:
    """A phone number reduced to its country code and last two digits, so that only its owner recognizes it: +91…10."""
    return f"{number[:3]}…{number[-2:]}" if len(number) > 7 else "…"


def mask_email(address: str) -> str:
    """A mail address reduced to its first character and its domain: a…@example.com."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}" if at and name else "…"
