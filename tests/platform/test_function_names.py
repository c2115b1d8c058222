"""Names of functions and environment variables are stable, short and unique."""

import re

from hypothesis import given
from hypothesis import strategies as some

from chalicelib.platform.function_names import MAX_LENGTH, function_name, stream_variable

# Amazon DynamoDB developer guide, "Naming rules"
TABLES = some.text("aA_-.9", min_size=3, max_size=8) | some.from_regex(r"[A-Za-z0-9_.-]{3,255}", fullmatch=True)


def test_plain_names_are_kept() -> None:
    assert (function_name("items", "orders"), stream_variable("orders")) == ("items_orders", "DROPNOTE_STREAM_ORDERS")
    assert function_name("upload", "2026.acme-drops") == "upload_2026Dacme_drops"
    assert function_name("upload", "123.456") == "upload_123D456"


@given(some.lists(TABLES, min_size=2, unique=True))
def test_no_two_tables_share_a_function_its_role_or_a_variable(tables: list[str]) -> None:
    functions = [function_name("items", table) for table in tables]
    assert len({name.lower() for name in functions}) == len({stream_variable(table) for table in tables}) == len(tables)
    assert all(re.fullmatch(r"\w+", name, re.ASCII) and len(name) <= MAX_LENGTH for name in functions)


def test_case_and_punctuation_distinguish_tables() -> None:
    tables = ["orders", "ORDERS", "Orders", "my-orders", "my_orders", "my.orders", "myDorders"]
    assert len({function_name("items", table).lower() for table in tables}) == len(tables)
    assert len({stream_variable(table) for table in tables}) == len(tables)
