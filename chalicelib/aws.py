"""Clients of AWS, made by botocore alone: boto3 around it costs a cold start a tenth and gives us nothing.

`make package` puts the descriptions of the services we use beside this package. botocore then need not look through all four
hundred that it knows, which is a quarter of a cold start. Without them it takes its own.
Source: botocore's documentation of `botocore.loaders` ("The search path", "data_path").
"""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session

from . import __version__

SERVICES = ("dynamodb", "s3", "sesv2", "sqs", "ssm")  # a client of another one cannot be made in Lambda
DATA = Path(__file__).resolve().parent.parent / "botocore-data"

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
    if data.is_dir():
        session.register_component("data_loader", Loader([str(data)], include_default_search_paths=False))
    return session.create_client
