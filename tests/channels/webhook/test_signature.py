"""Signatures, against the vector that the Standard Webhooks project publishes (its libraries' test "sign function works")."""

from datetime import UTC, datetime

import pytest

from chalicelib.channels.webhook.signature import InvalidKey, decode_key, sign

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = datetime.fromtimestamp(1614265330, UTC)


def test_signature_is_that_of_the_published_vector() -> None:
    assert sign(b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek", AT, (KEY,)) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_key_signs_while_they_are_rotated() -> None:
    one, two = (sign(b"{}", "id", AT, (key,))["webhook-signature"] for key in (KEY, "whsec_" + "A" * 32))
    assert sign(b"{}", "id", AT, (KEY, "whsec_" + "A" * 32))["webhook-signature"] == f"{one} {two}"


@pytest.mark.parametrize("key", ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_" + "A" * 88, "whsec_*"])
def test_key_must_have_the_prefix_and_24_to_64_bytes(key: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        decode_key(key)
    assert key not in str(caught.value)
