"""Clients of AWS, made by botocore alone: boto3 around it costs a cold start a tenth and gives us nothing.

`make package` puts the descriptions of the services we use beside this package. botocore then need not look through all four
hundred that it knows, which is a quarter of a cold start. Without them it takes its own.
Source: botocore's documentation of `botocore.loaders` ("The search path", "data_path").
"""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session

from .. import __version__

SERVICES = ("cloudwatch", "dynamodb", "s3", "sesv2", "sqs", "ssm")  # a client of another one cannot be made in Lambda
DATA = Path(__file__).resolve().parents[2] / "botocore-data"

# What we ask is right by its types, and AWS looks at it again: looking here too costs a tenth of a warm upload. So does
# botocore's own long name; ours tells in CloudTrail which function it was.
_CONFIG = Config(
    parameter_validation=False,
    user_agent=f"dropnote/{__version__} {os.environ.get('AWS_LAMBDA_FUNCTION_NAME', '')}".rstrip(),
)

Clients = Callable[..., Any]  # clients("sqs"), clients("dynamodb", config=Config(…))


@cache
def clients(data: Path = DATA) -> Clients:
    """What makes clients, by the environment's credentials and region; one session for all of a container's."""
    session = Session()
    session.set_default_client_config(_CONFIG)
    if all((data / service).is_dir() for service in SERVICES):  # what was packaged for an older version lacks some
        session.register_component("data_loader", Loader([str(data)], include_default_search_paths=False))
    return session.create_client


# A look of a monitor that AWS does not answer is over in time for the others; the next one asks again.
LOOKING = Config(
    connect_timeout=3, read_timeout=8, retries={"mode": "standard", "total_max_attempts": 2}, max_pool_connections=32
)


def shared(make: Clients) -> Clients:
    """The same clients for many threads: each is made once, by one thread at a time, as botocore asks for."""
    made: dict[tuple[str, str], Any] = {}
    making = Lock()

    def client(service: str, region_name: str = "") -> Any:
        with making:
            if (service, region_name) not in made:
                named = {"region_name": region_name} if region_name else {}
                made[service, region_name] = make(service, config=LOOKING, **named)
            return made[service, region_name]

    return client
