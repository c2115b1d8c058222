"""Shared by the tests of links to files: the console of a stage whose settings have both kinds, on a real bucket."""

from typing import Any

import pytest

from chalicelib.delivery.feedback.mail_links import KEY_PURPOSE
from chalicelib.platform.signing.keys import derived
from chalicelib.policy.controls import LinkSettings
from tests.support.builders import some_settings
from tests.support.console import CONSOLE, KEY, ConsoleApp
from tests.support.stages import real_stage
from workbench.local.ministack import MiniStack, local_client

BUCKET, FOLDER = "acme-drops", "partner-a/"
PUBLIC = "https://drops.example.com"
UPLOAD_LINKS = f'[[upload_links]]\nbucket = "{BUCKET}"\nfolder = "{FOLDER}"\n'


def files_app(ministack: MiniStack, link: str = 'link = "7d"', base: str = PUBLIC, then: str = "off") -> ConsoleApp:
    """The console of a stage whose rule has a link."""

    def clients(service: str, *, config: Any = None, **_: Any) -> Any:
        if service == "s3" and config:
            return local_client(ministack.endpoint, "s3", signature_version=config.signature_version)
        return ministack.client(service)

    settings = some_settings(CONSOLE + UPLOAD_LINKS, **{'then = "off"': f'then = "{then}"\n{link}'})
    site = ConsoleApp(real_stage(ministack, settings, clients("dynamodb")), ministack, clients)
    ministack.client("s3").create_bucket(Bucket=BUCKET)
    site.stage.deliverer.control.record_links(LinkSettings(base, derived(KEY, KEY_PURPOSE)))
    return site


def encrypt(site: ConsoleApp) -> str:
    """Let a new KMS key encrypt what is uploaded from now on; returns its ARN. The emulator checks no key's policy."""
    key = str(site.ministack.client("kms").create_key()["KeyMetadata"]["Arn"])
    rule: Any = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    site.ministack.client("s3").put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})
    return key


@pytest.fixture
def site(ministack: MiniStack) -> ConsoleApp:
    return files_app(ministack)
