"""The service descriptions in the zip lead to the same endpoints, and the same signatures, as botocore's own."""

from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.loaders import Loader
from botocore.session import Session

from chalicelib.platform.aws import client_factory
from workbench.packaging import botocore_data

CALLS = {
    "dynamodb": lambda client: client.put_item(TableName="table", Item={"pk": {"S": "x"}}),
    "sesv2": lambda client: client.get_account(),
}
REGIONS = [
    (partition, region)
    for partition in Session().get_available_partitions()
    for region in [*Session().get_available_regions("ec2", partition), *(["eu-new-9"] if partition == "aws" else [])]
]


class _Body:
    def stream(self) -> list[bytes]:
        return [b"{}"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("botocore-data")
    botocore_data.write(folder)
    return folder


def session(data: Path | None = None) -> Session:
    session = Session()
    session.set_credentials("key", "secret")
    if data:
        session.register_component("data_loader", Loader([str(data)], include_default_search_paths=False))
    return session


def destination(client: Any, service: str) -> tuple[str, str]:
    """The URL of a call, and the region and service that its signature is for. Nothing leaves this process."""
    requests: list[AWSPreparedRequest] = []

    def respond(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        requests.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), _Body())

    client.meta.events.register("before-send", respond)
    CALLS[service](client)
    (request,) = requests
    signature = request.headers["Authorization"]
    return request.url, "/".join((signature if isinstance(signature, str) else signature.decode()).split("/")[2:4])


@pytest.mark.parametrize("service", botocore_data.WITHOUT_RULES)
def test_endpoints_without_rules_are_the_same_in_every_region(service: str, data: Path) -> None:
    ours, botocores = session(data), session()
    assert len({partition for partition, _ in REGIONS}) > 3
    for _, region in REGIONS:
        expected = destination(botocores.create_client(service, region_name=region), service)
        assert destination(ours.create_client(service, region_name=region), service) == expected


def test_fips_endpoints_follow_botocores_rules(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    client = client_factory.__wrapped__(data)("dynamodb", region_name="us-gov-west-1")
    assert destination(client, "dynamodb")[0] == "https://dynamodb.us-gov-west-1.amazonaws.com/"
