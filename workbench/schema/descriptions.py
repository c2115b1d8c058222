"""What editors show about a field: its text in docs/settings.md."""

import re

from ..paths import PROJECT

_DOCS = PROJECT / "docs" / "settings.md"


def descriptions() -> dict[tuple[str, str], str]:
    """The description of each field in the tables of the docs, by top-level name and field."""
    found = {}
    for section in _DOCS.read_text(encoding="utf-8").split("\n## ")[1:]:
        heading = re.match(r"\[+(\w+)", section)
        for names, _, words in re.findall(r"^\| (`.+?) \| (.*?) \| (.*) \|$", section, re.MULTILINE) if heading else ():
            plain = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", words).replace("`", "")
            for name in re.findall(r"`(\w+)`", names):
                found[heading[1] if heading else "", name] = plain[:1].upper() + plain[1:]
    return {key: words for key, words in found.items() if words}
