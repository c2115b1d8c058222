"""A stage for the doctor to check: MiniStack and a Twilio double behind a real server, with faults that the tests add."""

import io
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flask import Flask

from chalicelib.domain.settings import Settings
from tests.support.builders import ENVIRON, some_settings
from tests.support.serving import serving
from workbench.account import Account
from workbench.doctor.checks import CHECKS
from workbench.doctor.model import Result, run_checks
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack, make_role
from workbench.local.twilio.account import TwilioAccount
from workbench.local.twilio.double import TwilioDouble
from workbench.paths import PROJECT

SID, TOKEN = ENVIRON["TWILIO_ACCOUNT_SID"], "invented-token"
PREFIX = "/dropnote/prod/"


def package(changed: Mapping[str, str] | None = None, project: Path = PROJECT) -> bytes:
    """A package as Chalice builds it, with the app's files only. `changed` replaces or adds files."""
    files = {str(file.relative_to(project)): file.read_bytes() for file in (project / "chalicelib").rglob("*") if file.is_file()}
    files["app.py"] = (project / "app.py").read_bytes()
    files = {name: text for name, text in files.items() if "__pycache__" not in name} | {"vendored/some.py": b""}
    files |= {name: text.encode() for name, text in (changed or {}).items()}
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return zipped.getvalue()


@dataclass
class UnhealthyStage:
    """A stage's account that a test can change."""

    ministack: MiniStack
    twilio: TwilioAccount
    account: Account

    def with_settings(self, settings: Settings) -> None:
        """Replace the settings."""
        self.account = replace(self.account, settings=settings)

    def check(self, name: str) -> Result:
        """Run one check."""
        (result,) = run_checks(self.account, [check for check in CHECKS if check.name == name])
        return result

    def findings(self, name: str) -> str:
        """The findings of one check with their next steps, as one text; "" if there are none."""
        return " ".join(f"{finding.what} {finding.next}" for finding in self.check(name).findings)

    def function(self, handler: str, zipped: bytes, variables: dict[str, str] | None = None) -> dict[str, Any]:
        """Deploy one function."""
        created: dict[str, Any] = self.ministack.client("lambda").create_function(
            FunctionName=f"dropnote-prod-{handler}",
            Runtime=f"python{sys.version_info[0]}.{sys.version_info[1]}",
            Role="arn:aws:iam::000000000000:role/any",
            Handler="app.handler",
            Code={"ZipFile": zipped},
            Environment={"Variables": variables or {}},
        )
        return created

    def queue(self) -> str:
        """The URL of the dead-letter queue."""
        return str(self.ministack.client("sqs").get_queue_url(QueueName="dropnote-prod-dead-events")["QueueUrl"])

    def put_secret(self, name: str, type_: str = "SecureString", value: str = TOKEN) -> None:
        """Store a parameter."""
        self.ministack.client("ssm").put_parameter(Name=PREFIX + name, Value=value, Type=type_, Overwrite=True)


@contextmanager
def unhealthy_stage(ministack: MiniStack, folder: Path) -> Iterator[UnhealthyStage]:
    """A stage with its stack, its secrets and a verified sender, but without functions."""
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    make_role(ministack)
    ministack.client("sesv2").create_email_identity(EmailIdentity="drops@example.com")
    app, double = Flask("twilio"), TwilioDouble(SID, TOKEN)
    twilio = TwilioAccount(double)
    app.register_blueprint(double.blueprint)
    app.register_blueprint(twilio.blueprint)
    with serving(app) as url:
        variables = {
            **ENVIRON,
            "DROPNOTE_DEAD_EVENTS": "dropnote-prod-dead-events",
            "DROPNOTE_SECRETS": PREFIX,
            "TWILIO_BASE_URL": url,
        }
        account = Account(
            "prod", some_settings(), variables, lambda service, config=None: ministack.client(service), folder / "prod.json"
        )
        stage = UnhealthyStage(ministack, twilio, account)
        stage.put_secret("twilio-auth-token")
        stage.put_secret("console-key", value="k" * 64)
        yield stage
