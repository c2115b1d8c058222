"""[email]: fields that only Amazon SES has."""

import pytest

from chalicelib.domain.settings import SettingsError
from tests.support.builders import some_settings

TOPIC = "arn:aws:sns:us-west-2:123456789012:ses-events"


def mistakes(fields: str) -> list[str]:
    try:
        some_settings(**{"[email]\n": f"[email]\n{fields}\n"})
    except SettingsError as error:
        return [str(finding) for finding in error.findings]
    return []


def test_topic_of_another_region_is_valid() -> None:
    settings = some_settings(**{"[email]\n": f'[email]\nregion = "us-west-2"\nevents_topic = "{TOPIC}"\n'})
    assert settings.email
    assert settings.email.events_topic == TOPIC


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (
            'events_topic = "ses-events"',
            "[email], events_topic: invalid ARN 'ses-events'; "
            'use for example "arn:aws:sns:eu-west-1:123456789012:uploads"',
        ),
        (f'events_topic = "{TOPIC.replace("sns", "sqs")}"', "[email], events_topic: invalid ARN "),
        (f'events_topic = "{TOPIC}:c9135db0"', "[email], events_topic: invalid ARN "),
        (f'events_topic = "{TOPIC}.fifo"', "[email], events_topic: SES does not publish to FIFO topics; use a standard topic"),
        (
            f'transport = "smtp"\nhost = "smtp.example.com"\nevents_topic = "{TOPIC}"',
            '[email], events_topic: only Amazon SES reports to a topic; remove it, or use transport = "ses"',
        ),
    ],
)  # fmt: skip
def test_mistakes_name_the_next_step(fields: str, error: str) -> None:
    (found,) = mistakes(fields)
    assert found.startswith(error)
