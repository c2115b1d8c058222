"""Tokens are worth something only as issued: for their purpose, until their end, under an accepted key."""

from datetime import datetime, timedelta

import pytest

from chalicelib.platform.secrets import MissingSecret
from chalicelib.platform.signing.keys import GRACE, new_key, parse_keys, rotated
from chalicelib.platform.signing.tokens import ExpiredToken, InvalidToken, Purpose, Signer
from tests.support.builders import NOON

HOUR = timedelta(hours=1)


class Desk:
    """A signer whose clock and secret the test changes."""

    def __init__(self) -> None:
        self.now: datetime = NOON
        self.text = "k" * 64
        self.signer = Signer(lambda: parse_keys(self.text, self.now), lambda: self.now)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_claims_come_back(desk: Desk) -> None:
    token = desk.signer.issue(Purpose.MUTE, "zahlungen/märz", "2h", lasts=HOUR)
    assert token.startswith("1")
    assert desk.signer.read(Purpose.MUTE, token) == ["zahlungen/märz", "2h"]


def test_token_ends(desk: Desk) -> None:
    token = desk.signer.issue(Purpose.MUTE, "a", lasts=HOUR)
    desk.now += HOUR - timedelta(seconds=1)
    assert desk.signer.read(Purpose.MUTE, token) == ["a"]
    desk.now += timedelta(seconds=1)
    with pytest.raises(ExpiredToken):
        desk.signer.read(Purpose.MUTE, token)


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.MUTE])
def test_token_for_another_purpose_is_invalid(desk: Desk, purpose: Purpose) -> None:
    with pytest.raises(InvalidToken):
        desk.signer.read(purpose, desk.signer.issue(Purpose.MUTE, "a", lasts=HOUR))


def test_every_changed_character_is_noticed(desk: Desk) -> None:
    token = desk.signer.issue(Purpose.SESSION, "id", "asha", lasts=HOUR)
    for place, character in enumerate(token):
        for other in "A2b_":
            if other != character:
                with pytest.raises(InvalidToken):
                    desk.signer.read(Purpose.SESSION, token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize("token", ["", "1", "2abc", "1!!!!", "1" + "A" * 27, "1" + "A" * 5000, "é" * 40, "1" + "A" * 41, "1==="])
def test_other_text_is_invalid(desk: Desk, token: str) -> None:
    with pytest.raises(InvalidToken):
        desk.signer.read(Purpose.SESSION, token)


def test_tokens_of_the_previous_key_are_accepted_for_a_while(desk: Desk) -> None:
    token = desk.signer.issue(Purpose.UNSUBSCRIBE, "asha", lasts=10 * GRACE)
    desk.text = rotated(desk.text, desk.now)
    newer = desk.signer.issue(Purpose.UNSUBSCRIBE, "ben", lasts=10 * GRACE)
    desk.now += GRACE - timedelta(seconds=1)
    assert desk.signer.read(Purpose.UNSUBSCRIBE, token) == ["asha"]
    desk.now += timedelta(seconds=1)
    assert desk.signer.read(Purpose.UNSUBSCRIBE, newer) == ["ben"]
    with pytest.raises(InvalidToken):
        desk.signer.read(Purpose.UNSUBSCRIBE, token)


def test_second_rotation_ends_the_first_key_at_once(desk: Desk) -> None:
    token = desk.signer.issue(Purpose.SESSION, "asha", lasts=HOUR)
    desk.text = rotated(rotated(desk.text, desk.now), desk.now)
    with pytest.raises(InvalidToken):
        desk.signer.read(Purpose.SESSION, token)


def test_first_rotation_of_nothing_is_a_key() -> None:
    assert len(rotated("", NOON)) == len(new_key()) == 64


@pytest.mark.parametrize("text", ["", "short", "short " + "k" * 64 + ":99999999999"])
def test_weak_key_is_refused(text: str) -> None:
    with pytest.raises(MissingSecret, match="setup --rotate"):
        parse_keys(text, NOON)
