"""How the commands speak: pretty on a terminal, plain in a pipe, JSON when asked; one sentence when something is wrong."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)  # a line to copy stays one line
err = Console(stderr=True, highlight=False, soft_wrap=True)


def fail(sentence: str, detail: str = "") -> NoReturn:
    """Say what is wrong and leave with exit code 1."""
    if detail:
        err.print(Text(detail.rstrip(), style="dim"))
    err.print(Text(sentence, style="red" if err.is_terminal else ""))
    raise SystemExit(1)


def say(text: str, style: str = "") -> None:
    """One line, as it is: square brackets are no markup."""
    out.print(Text(text, style=style if out.is_terminal else ""))


def as_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal, tab-separated lines in a pipe."""
    if not out.is_terminal:
        for row in [columns, *rows]:
            sys.stdout.write("\t".join(row) + "\n")
        return
    drawn = Table(box=None, header_style="dim", pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    out.print(drawn, soft_wrap=False)


@contextmanager
def working(what: str) -> Iterator[Any]:
    """Show that something takes its time: a spinner on a terminal, a line on standard error otherwise."""
    if err.is_terminal:
        with err.status(what) as status:
            yield status.update
    else:
        yield lambda step: err.print(Text(f"{step} …"))


@contextmanager
def bar(what: str, total: int) -> Iterator[Any]:
    """A progress bar on a terminal, nothing otherwise; gives what moves it one further and says what is done now."""
    with Progress(console=err, disable=not err.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, advance=1, description=done)
