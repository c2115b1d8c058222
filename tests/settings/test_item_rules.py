"""Fields of a rule on a table's items: each mistake names its field and how to fix it."""

import pytest

from chalicelib.domain.settings import SettingsError
from tests.support.builders import some_settings


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ("", "table: missing; set it"),
        ('table = "a b"', "invalid table name 'a b'"),
        ('table = "orders"\ndid = ["made"]', "did: unknown change 'made'"),
        ('table = "orders"\ndid = "created"\nchanged = ["a"]', "changed: works only with updated items"),
        ('table = "orders"\ndid = "created"\nold = { a = 1 }', "old: a created item has no old values"),
        ('table = "orders"\ndid = "expired"\nnew = { a = 1 }', "new: a deleted item has no new values"),
        ('table = "orders"\nnew = { a = "> yesterday" }', "'> yesterday' does not compare with a number"),
        ('table = "orders"\nnew = { a = "= 5" }', "'= 5': write the value without '='"),
        ('table = "orders"\nnew = "refused"', "must be a table"),
        ('table = "orders"\nnew = { a = [] }', "an empty list matches nothing"),
        ('table = "orders"\nnew = { a = "glob [" }', "new.a: '[' has an unclosed bracket"),
        ('table = "orders"\ncount = "orders by"', "invalid counter 'orders by'"),
        ('table = "orders"\nbucket = "b"', "unknown field"),
    ],
)
def test_mistake_names_its_field_and_how_to_fix_it(fields: str, error: str) -> None:
    with pytest.raises(SettingsError) as caught:
        some_settings(f'\n[[rules]]\nname = "r"\non = "item"\nnotify = "email:asha"\n{fields}\n')
    assert error in str(caught.value)


def test_rule_that_neither_notifies_nor_counts_is_rejected() -> None:
    with pytest.raises(SettingsError, match="notify: missing; set it"):
        some_settings('\n[[rules]]\nname = "r"\non = "item"\ntable = "orders"\n')
