"""A policy in few statements, which allow no more than the single ones did."""

from workbench.deployment.policies.statements import allow, document

KEYS = allow("Keys", "kms:Sign", "arn:aws:kms:eu-west-1:1:key/a")
TABLE = allow("Table", "dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:1:table/a")
OTHER = allow("Other", "dynamodb:PutItem", "arn:aws:dynamodb:eu-west-1:1:table/b")
ANY = allow("Any", "sts:GetCallerIdentity", "*")


def sids(*statements: dict[str, object]) -> list[object]:
    return [statement["Sid"] for statement in document({**each} for each in statements)["Statement"]]


def test_statements_of_different_services_are_joined() -> None:
    assert sids(KEYS, TABLE) == ["KeysTable"]


def test_actions_of_one_service_keep_their_own_resources() -> None:
    assert sids(TABLE, OTHER) == ["Table", "Other"]


def test_wildcard_is_given_to_no_other_service() -> None:
    assert sids(TABLE, ANY) == ["Table", "Any"]
    assert sids(allow("Lists", "lambda:ListFunctions", "*"), ANY) == ["ListsAny"]


def test_condition_holds_for_its_own_actions_only() -> None:
    assert sids(KEYS, TABLE | {"Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}) == ["Keys", "Table"]
