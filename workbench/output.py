"""Output of the commands: formatted on a terminal, plain in a pipe, JSON on request, errors as one sentence."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)  # never wrap: a printed command can be copied as one line
err = Console(stderr=True, highlight=False, soft_wrap=True)


def fail(sentence: str, detail: str = "") -> NoReturn:
    """Print an error, after its detail if it has one, and exit with code 1."""
    if detail:
        err.print(Text(detail.rstrip(), style="dim"))
    err.print(Text(sentence, style="red" if err.is_terminal else ""))
    raise SystemExit(1)


def say(text: str, style: str = "") -> None:
    """Print one line literally: square brackets are not markup."""
    out.print(Text(text, style=style if out.is_terminal else ""))


def note(text: str) -> None:
    """Print one line on standard error, for people: beside a result that a script may read."""
    err.print(Text(text, style="yellow" if err.is_terminal else ""))


def print_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


_MAX_UNBROKEN = 20  # characters of a column whose cells stay on one line: times, states, names


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on a terminal, tab-separated lines in a pipe."""
    if not out.is_terminal:
        for row in [columns, *rows]:
            sys.stdout.write("\t".join(row) + "\n")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for position, column in enumerate(columns):
        longest = max(len(row[position]) for row in [columns, *rows])
        table.add_column(column, overflow="fold", no_wrap=longest <= _MAX_UNBROKEN)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    out.print(table, soft_wrap=False)


@contextmanager
def progress(title: str) -> Iterator[Any]:
    """Show that work is in progress: a spinner on a terminal, a line per step on standard error otherwise.

    Yields the function that reports a step.
    """
    if err.is_terminal:
        with err.status(title) as status:
            yield status.update
    else:
        yield lambda step: err.print(Text(f"{step} …"))


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Any]:
    """Show a progress bar on a terminal, nothing otherwise.

    Yields the function that advances the bar by one; its argument describes the current step.
    """
    with Progress(console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda step: bar.update(task, advance=1, description=step)
