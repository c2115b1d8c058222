"""Valid TOML documents of every shape, with the line on which each key is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as some

from chalicelib.platform.fields.table import KeyPath

NAMES = some.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
TEXTS = some.text(some.characters(exclude_categories=["C"], exclude_characters='"\\'), max_size=6)
COMMENTS = some.sampled_from(["", "", "   # size = 1", " # [[rules]]", " # it's \"quoted"]) | TEXTS.map(lambda text: f" # {text}")
GAPS = some.lists(some.sampled_from(["", "   ", "# comment", "# [[rules]]", "#size = 3", "\t# = ["]), max_size=2)
SCALARS = (
    some.integers(-9, 9).map(str)
    | TEXTS.map(lambda text: f'"{text}"')
    | some.sampled_from(["true", "1.5e3", "inf", "0xff", "1_000", "'#'", r'"\u00e9 \"#\""', "2026-01-02T03:04:05Z", "07:30:00"])
)
MULTI_LINE_TEXTS = some.sampled_from(
    ['"""\n[[rules]]\nsize = 1\n"""', "'''\n# no comment\n  [a]\n'''", '"""a\\\n   b"""', '"""\n""quoted""\n"""', "'''\n'''"]
)


@dataclass
class Written:
    """A document, and the line of each path in it."""

    text: str = ""
    lines: dict[KeyPath, int] = field(default_factory=dict)


@dataclass
class Value:
    """A value as written, and for each path in it, how many lines below the value's first line it is."""

    text: str
    offsets: dict[KeyPath, int] = field(default_factory=dict)


class Writer:
    """Writes one document."""

    def __init__(self, draw: some.DrawFn) -> None:
        self._draw = draw
        self.written = Written()

    def pairs(self, table: KeyPath, names: Sequence[str]) -> None:
        """Write key = value lines, some with dotted keys and values of several lines."""
        for name in names:
            self._gap()
            keys = (name, *self._draw(some.lists(NAMES, max_size=2)))
            value = self._value((*table, *keys))
            dotted = self._draw(some.sampled_from([".", " . "])).join(map(self._key, keys))
            line = self._line(f"{self._draw(some.sampled_from(['', '  ']))}{dotted} = {value.text}{self._draw(COMMENTS)}")
            self.written.lines |= {(*table, *keys[:length]): line for length in range(1, len(keys) + 1)}
            self.written.lines |= {path: line + offset for path, offset in value.offsets.items()}

    def table(self, path: KeyPath) -> None:
        """Write a [table] with some pairs."""
        self._header(path, "[", "]")

    def entry(self, path: KeyPath) -> None:
        """Write an [[entry]] with some pairs, and sometimes a table within it."""
        self._header(path, "[[", "]]")
        if self._draw(some.booleans()):
            self._header((*path, "inner-table"), "[", "]")

    def _header(self, path: KeyPath, start: str, end: str) -> None:
        self._gap()
        name = " . ".join(self._key(key) for key in path if isinstance(key, str))
        self.written.lines[path] = self._line(f"{start}{name}{end}{self._draw(COMMENTS)}")
        self.pairs(path, self._draw(some.lists(NAMES, max_size=3, unique=True)))

    def _line(self, text: str) -> int:
        """Write a line, or several, and return the number of the first."""
        number = self.written.text.count("\n") + 1
        self.written.text += f"{text}\n"
        return number

    def _gap(self) -> None:
        for line in self._draw(GAPS):
            self._line(line)

    def _key(self, name: str) -> str:
        escaped = '"' + name.replace("a", r"\u0061") + '"'
        return self._draw(some.sampled_from([name, escaped, f"'{name}'"]))

    def _value(self, path: KeyPath, depth: int = 0) -> Value:
        kinds = {"scalar": self._scalar, "multi-line": self._multi_line, "list": self._list, "table": self._inline_table}
        kind = self._draw(some.sampled_from(list(kinds))) if depth < 2 else "scalar"
        return kinds[kind](path, depth)

    def _scalar(self, path: KeyPath, depth: int) -> Value:
        return Value(self._draw(SCALARS))

    def _multi_line(self, path: KeyPath, depth: int) -> Value:
        return Value(self._draw(MULTI_LINE_TEXTS))

    def _inline_table(self, path: KeyPath, depth: int) -> Value:
        names = self._draw(some.lists(NAMES, max_size=2, unique=True))
        pairs = (f"{self._key(name)} = {self._scalar(path, depth).text}" for name in names)
        return Value("{ " + ", ".join(pairs) + " }", {(*path, name): 0 for name in names})

    def _list(self, path: KeyPath, depth: int) -> Value:
        found = Value("[")
        for position in range(self._draw(some.integers(0, 3))):
            found.text += self._draw(some.sampled_from(["", "\n", "\n  # [[rules]]\n\n  ", " # c\n"]))
            offset, entry = found.text.count("\n"), self._value((*path, position), depth + 1)
            found.offsets[(*path, position)] = offset
            found.offsets |= {inner: offset + below for inner, below in entry.offsets.items()}
            found.text += entry.text + self._draw(some.sampled_from([",", "\n,", " , # ]\n"]))
        found.text += self._draw(some.sampled_from(["]", "\n]"]))
        return found


@some.composite
def documents(draw: some.DrawFn) -> Written:
    """A document of pairs, tables and lists of tables."""
    writer = Writer(draw)
    names = draw(some.lists(NAMES, min_size=1, max_size=6, unique=True))
    pairs = draw(some.integers(0, len(names)))
    writer.pairs((), names[:pairs])
    for name in names[pairs:]:
        entries = draw(some.integers(0, 3))
        for position in range(entries):
            writer.entry((name, position))
        if not entries:
            writer.table((name,))
    return writer.written
