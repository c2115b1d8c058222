"""Reads the fields of a rule that is on a table's items: which of their changes it wants."""

from collections.abc import Mapping
from typing import Any

from .table import Table


def read(table: Table) -> Mapping[str, Any]:
    """The fields of the Rule; what is wrong is written down in the table."""
    return {}
