"""AWS clients, created by botocore alone: boto3 on top of it would add a tenth to a cold start and gives us nothing.

`make package` puts the descriptions of the services we use next to this package. botocore then does not search all four
hundred it knows, which takes a quarter of a cold start. Without them it uses its own, and so it does for FIPS and dual-stack
endpoints, because our descriptions do not have all of those.
Source: botocore's documentation of `botocore.loaders` ("The search path", "data_path").
"""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, cast

from botocore.config import Config
from botocore.handlers import add_retry_headers
from botocore.loaders import Loader
from botocore.session import Session

from .. import __version__

SERVICES = ("cloudwatch", "dynamodb", "lambda", "s3", "sesv2", "sqs", "ssm")  # in Lambda, clients exist for these only
DATA_DIR = Path(__file__).resolve().parents[2] / "botocore-data"

_OTHER_ENDPOINTS = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")  # boto3's documentation, "Configuration"

# Types guarantee valid parameters, and AWS validates them again: validating here costs a tenth of a warm upload. So does
# botocore's long user agent; ours names the function in CloudTrail.
_CONFIG = Config(
    parameter_validation=False,
    user_agent=f"dropnote/{__version__} {os.environ.get('AWS_LAMBDA_FUNCTION_NAME', '')}".rstrip(),
)

# A monitor's request that AWS does not answer must end in time for the other monitors; the next check asks again.
_PROBE_CONFIG = Config(
    connect_timeout=3, read_timeout=8, retries={"mode": "standard", "total_max_attempts": 2}, max_pool_connections=32
)

ClientFactory = Callable[..., Any]  # clients("sqs"), clients("dynamodb", config=Config(…))


@cache
def client_factory(data: Path = DATA_DIR) -> ClientFactory:
    """Return the function that creates clients for the environment's credentials and region; one session per container."""
    session = Session()
    session.set_default_client_config(_CONFIG)
    session.unregister("request-created", cast(Any, add_retry_headers))  # for AWS's statistics; costs 1 % of a warm upload
    complete = all((data / service).is_dir() for service in SERVICES)  # a package built by an older version may lack some
    if complete and not any(name in os.environ for name in _OTHER_ENDPOINTS):
        session.register_component("data_loader", Loader([str(data)], include_default_search_paths=False))
    return session.create_client


def thread_safe(create: ClientFactory) -> ClientFactory:
    """A factory for many threads: creates each client once, one at a time, as botocore requires."""
    clients: dict[tuple[str, str], Any] = {}
    lock = Lock()

    def client(service: str, region_name: str = "") -> Any:
        with lock:
            if (service, region_name) not in clients:
                region = {"region_name": region_name} if region_name else {}
                clients[service, region_name] = create(service, config=_PROBE_CONFIG, **region)
            return clients[service, region_name]

    return client
