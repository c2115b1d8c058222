"""Key globs: `*` within a folder, `**` across folders, `?`, `[abc]`, `{a,b}`; `!` in front excludes.

Keys are taken as they are: case matters, and so do a leading "/" and a double one. `invoices/` means all that is below.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

MOST_STARS = 8  # of one glob: the time to match grows with the key's length to the power of their number

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]]*\]|.", re.DOTALL)
_WILD = re.compile(r"[*?\[{]")
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class BadGlob(ValueError):
    """A glob that cannot be read; the text says why."""


@lru_cache(maxsize=4096)
def compiled(glob: str) -> re.Pattern[str]:
    """The regular expression of one glob (without its "!"), compiled when it is first needed.

    Raises:
        BadGlob: a bracket or brace is left open, or there are too many stars.
    """
    if not glob:
        raise BadGlob("it is empty")
    if glob.count("*") - glob.count("**") > MOST_STARS:
        raise BadGlob(f"{glob!r} has more than {MOST_STARS} wildcards")
    parts, depth = [], 0
    for token in _TOKEN.findall(glob + "**" if glob.endswith("/") else glob):
        if token == "{":
            depth += 1
            parts.append("(?:")
        elif token == "}" and depth:
            depth -= 1
            parts.append(")")
        elif token == "," and depth:
            parts.append("|")
        else:
            parts.append(_MEANING.get(token) or _literal(token, glob))
    if depth:
        raise BadGlob(f"{glob!r} leaves a brace open")
    return re.compile("".join(parts), re.DOTALL)


def _literal(token: str, glob: str) -> str:
    if token == "[":
        raise BadGlob(f"{glob!r} leaves a bracket open")
    if len(token) == 1:
        return re.escape(token)
    inside = token[1:-1].replace("\\", r"\\").replace("[", r"\[")
    negated = inside[:1] in ("!", "^")
    text = f"[{'^/' if negated else ''}{inside[negated:]}]"
    try:
        re.compile(text)
    except re.error as error:
        raise BadGlob(f"{glob!r} has a range that cannot be: {token}") from error
    return text


def matches(globs: Iterable[str], key: str) -> bool:
    """Whether a key matches any of the plain globs and none of the excluding ones; with no plain one, all but those."""
    wanted = [glob for glob in globs if not glob.startswith("!")]
    unwanted = (glob[1:] for glob in globs if glob.startswith("!"))
    if wanted and not any(compiled(glob).fullmatch(key) for glob in wanted):
        return False
    return not any(compiled(glob).fullmatch(key) for glob in unwanted)


def check(globs: Iterable[str]) -> None:
    """Compile every glob.

    Raises:
        BadGlob: one of them cannot be read.
    """
    for glob in globs:
        compiled(glob.removeprefix("!"))


def literal_folder(glob: str) -> str:
    """The folders a glob names before its first wildcard, with the last slash: every key it matches begins so."""
    wild = _WILD.search(glob)
    folder, slash, _ = glob[: wild.start() if wild else len(glob)].rpartition("/")
    return folder + slash


def literal_ending(glob: str) -> str:
    """The file ending a glob names after its last wildcard, such as ".pdf", or "": every key it matches ends so."""
    tail = re.split(r"[*?\]}]", glob)[-1]
    dot = tail.rfind(".")
    return tail[dot:] if dot >= 0 and "/" not in tail[dot:] and "[" not in tail and "{" not in tail else ""
