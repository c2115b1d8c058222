"""Addresses, made fit for logs and errors: enough to recognise one's own, not enough to use another's."""

import re
import unicodedata


def mask_number(number: str) -> str:
    """A phone number down to its country's beginning and its last two digits: +91…10."""
    return f"{number[:3]}…{number[-2:]}" if len(number) > 7 else "…"


def mask_email(address: str) -> str:
    """A mail address down to its first letter and its domain: a…@example.com."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}" if at and name else "…"


# Zero-width joiners and variation selectors belong to emoji and to several scripts.
_KEPT_FORMATS = frozenset("\u200c\u200d\ufe0e\ufe0f")
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_SHORT_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

# Endings of everyday files that are no top-level domains: a phone makes no link of them. All others it might.
_FILE_ENDINGS = frozenset(
    """
    7z arrow avi avro bak bin bmp bz2 csv dat db dcm dll doc docx dotx epub exe feather flac gif gpg gz heic html
    ico iso jpeg jpg json jsonl key log lz4 m4a mkv mp3 mp4 mpeg msi odf ods odt ogg orc parquet pdf pem png ppt
    pptx psd raw rtf sql sqlite svg tar tgz tif tiff tmp toml tsv txt wav webm webp wmv xls xlsb xlsm xlsx xml xz
    yaml yml zst
    """.split()
)
_STARTED_ENDING = re.compile(r"\.[^\W\d_]*$")
_SCHEME = re.compile(r"(?<=[A-Za-z0-9]):(?=//)")
_DOT = re.compile(r"(?<=[^\s.])\.(?=([^\W\d_]{2,}|xn--)([\w-]*))", re.UNICODE)


def sanitize(text: str) -> str:
    """Make what cannot be seen, or plays tricks with what can, visible: \\n for a line end, \\u202e for a bidi override."""
    if text.isprintable() and text.isascii():
        return text
    return "".join(letter if _shows(letter) else _escape(letter) for letter in text)


def _shows(letter: str) -> bool:
    return letter in _KEPT_FORMATS or unicodedata.category(letter) not in _HIDDEN


def _escape(letter: str) -> str:
    code = ord(letter)
    if letter in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[letter]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def defuse_links(text: str) -> str:
    """Break what a phone would turn into a link: "evil .com", "report .zip", "http: //…". Plain file names stay whole."""
    return _DOT.sub(_break, _SCHEME.sub(": ", text))


def _break(found: re.Match[str]) -> str:
    ending = found[1] + found[2]
    rest = found.string[found.end() + len(ending) :]
    whole = ending.lower() in _FILE_ENDINGS and not rest.startswith(".")
    return "." if whole else " ."


def graphemes(text: str) -> list[str]:
    """What a reader sees as single letters (Unicode Standard Annex 29). Imports its library only when called (30 ms)."""
    import regex

    found: list[str] = regex.findall(r"\X", text)
    return found


def shorten(text: str, most: int) -> str:
    """At most `most` letters: the beginning and the end, an ellipsis in between; the end tells more in a file's name."""
    if len(text) <= most:
        return text
    letters = graphemes(text)
    if len(letters) <= most:
        return text
    head = (most - 1) // 3
    return drop_cut_extension("".join(letters[:head])) + "…" + "".join(letters[head + 1 - most :])


def drop_cut_extension(text: str) -> str:
    """Drop what follows the last dot where a text was cut: ".pa" of ".parquet" would make a domain of the name."""
    return _STARTED_ENDING.sub("", text)
