"""Key globs: `*` within a folder, `**` across folders, `?`, `[abc]`, `{a,b}`; a leading `!` excludes.

Keys are matched exactly as they are: case, a leading "/" and a double "/" count. `invoices/` matches everything below it.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

MAX_WILDCARDS = 8  # per glob: the time to match grows with the key's length to the power of their number

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]]*\]|.", re.DOTALL)
_WILDCARD = re.compile(r"[*?\[{]")
_REGEX_OF_WILDCARD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class InvalidGlob(ValueError):
    """A glob that cannot be read; the text says why."""


@lru_cache(maxsize=4096)
def to_regex(glob: str) -> re.Pattern[str]:
    """The regular expression of one glob (without its "!"), compiled when it is first needed.

    Raises:
        InvalidGlob: it is empty, a bracket or brace is not closed, or it has too many wildcards.
    """
    if not glob:
        raise InvalidGlob("empty glob")
    if glob.count("*") - glob.count("**") > MAX_WILDCARDS:
        raise InvalidGlob(f"{glob!r} has more than {MAX_WILDCARDS} wildcards")
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
            parts.append(_REGEX_OF_WILDCARD.get(token) or _literal(token, glob))
    if depth:
        raise InvalidGlob(f"{glob!r} has an unclosed brace")
    return re.compile("".join(parts), re.DOTALL)


def _literal(token: str, glob: str) -> str:
    """The regular expression of a plain character or of a bracket: [a-z]."""
    if token == "[":
        raise InvalidGlob(f"{glob!r} has an unclosed bracket")
    if len(token) == 1:
        return re.escape(token)
    inside = token[1:-1].replace("\\", r"\\").replace("[", r"\[")
    negated = inside[:1] in ("!", "^")
    regex = f"[{'^/' if negated else ''}{inside[negated:]}]"
    try:
        re.compile(regex)
    except re.error as error:
        raise InvalidGlob(f"{glob!r} has an invalid range: {token}") from error
    return regex


def including(globs: Iterable[str]) -> list[str]:
    """The globs that include keys: those without a leading "!"."""
    return [glob for glob in globs if not glob.startswith("!")]


def matches(globs: Iterable[str], key: str) -> bool:
    """Whether a key matches any including glob and no excluding one; without including ones, every key is included."""
    included = including(globs)
    excluding = (glob[1:] for glob in globs if glob.startswith("!"))
    if included and not any(to_regex(glob).fullmatch(key) for glob in included):
        return False
    return not any(to_regex(glob).fullmatch(key) for glob in excluding)


@lru_cache(maxsize=1024)
def any_of(globs: tuple[str, ...]) -> re.Pattern[str]:
    """One regular expression for several globs (without "!"): faster than one after the other."""
    return re.compile("|".join(f"(?:{to_regex(glob).pattern})" for glob in globs) or "(?!)", re.DOTALL)


def check(globs: Iterable[str]) -> None:
    """Compile every glob.

    Raises:
        InvalidGlob: one of them cannot be read.
    """
    for glob in globs:
        to_regex(glob.removeprefix("!"))


def literal_folder(glob: str) -> str:
    """The folders before a glob's first wildcard, with the last slash: every key it matches starts with them."""
    wildcard = _WILDCARD.search(glob)
    folder, slash, _ = glob[: wildcard.start() if wildcard else len(glob)].rpartition("/")
    return folder + slash


def literal_ending(glob: str) -> str:
    """The file extension after a glob's last wildcard, such as ".pdf", or "": every key it matches ends with it."""
    tail = re.split(r"[*?\]}]", glob)[-1]
    dot = tail.rfind(".")
    return tail[dot:] if dot >= 0 and "/" not in tail[dot:] and "[" not in tail and "{" not in tail else ""
