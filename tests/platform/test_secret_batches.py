"""More than ten secrets: Parameter Store returns ten a call."""

from typing import Any

from chalicelib.platform.secrets import MAX_NAMES, Secrets
from tests.support.builders import NOON

NAMES = [f"webhook-{number}" for number in range(23)]


class Store:
    """Parameter Store: it has every name, and rejects more than ten of them."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def get_parameters(self, Names: list[str], WithDecryption: bool) -> dict[str, Any]:  # noqa: N803  boto3's names
        assert len(Names) <= MAX_NAMES
        self.calls.append(Names)
        return {"Parameters": [{"Name": name, "Value": name.upper()} for name in Names]}


def test_each_of_many_secrets_is_read_in_as_few_calls_as_possible() -> None:
    store = Store()
    secrets = Secrets(lambda: store, "/dropnote/", {}, lambda: NOON, NAMES, lambda: 0.0)
    assert [secrets.secret(name) for name in reversed(NAMES)] == [f"/DROPNOTE/{name.upper()}" for name in reversed(NAMES)]
    assert len(store.calls) == 3
