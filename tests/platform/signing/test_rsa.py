"""RSA signatures, compared with those of the cryptography package, and certificates that are not accepted."""

import hashlib
import ssl
from datetime import UTC, datetime
from math import ceil

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from chalicelib.platform.signing.rsa import CertificateError, PublicKey, parse_certificate
from tests.support.aws_signed import CERTIFICATE
from tests.support.sns import certificate, key

MESSAGE = b"a message"
SHA1 = hashes.SHA1()  # noqa: S303  SignatureVersion 1 is SHA-1
SHA1_INFO = bytes.fromhex("3021300906052b0e03021a05000414")


def public(of: rsa.RSAPrivateKey) -> PublicKey:
    numbers = of.public_key().public_numbers()
    return PublicKey(numbers.n, numbers.e)


@pytest.mark.parametrize("bits", [2048, 2050, 3072])
def test_signature_of_the_key_is_accepted(bits: int) -> None:
    signer = key(bits=bits)
    ours = parse_certificate(certificate(signer)).key
    for name, digest in (("sha1", SHA1), ("sha256", hashes.SHA256())):
        signature = signer.sign(MESSAGE, padding.PKCS1v15(), digest)
        assert ours.has_signed(MESSAGE, signature, name)
        assert not ours.has_signed(MESSAGE + b".", signature, name)
        assert not ours.has_signed(MESSAGE, signature, {"sha1": "sha256", "sha256": "sha1"}[name])


def test_other_signatures_are_refused() -> None:
    ours = public(key())
    signature = key().sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    pss = key().sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    others = [b"", signature[:-1], b"\x00" + signature, signature + b"\x00", bytes(256), b"\xff" * 256, pss]
    others.append(key(number=1).sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256()))
    others += [signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :] for at in (0, 100, 255)]
    assert [ours.has_signed(MESSAGE, other, "sha256") for other in others] == [False] * len(others)


def test_number_that_is_too_large_is_refused_although_it_is_the_same_modulo_the_modulus() -> None:
    signer = key(bits=2050)  # 257 bytes, with room for a larger number
    ours, signature = public(signer), signer.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    more = int.from_bytes(signature, "big") + ours.modulus
    assert ours.has_signed(MESSAGE, signature, "sha256")
    assert not ours.has_signed(MESSAGE, more.to_bytes(257, "big"), "sha256")


def cube_root(number: int) -> int:
    """The smallest integer whose cube is at least the number."""
    low, high = 0, 1 << ceil(number.bit_length() / 3) + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if middle**3 < number else (low, middle)
    return low


@pytest.mark.parametrize("padding_bytes", [0, 1, 8, 40])
def test_forged_padding_is_refused_for_a_key_with_a_small_exponent(padding_bytes: int) -> None:
    """Bleichenbacher's forgery: the cube root of an encoding with garbage behind the digest is its signature for e = 3.

    A verifier that parses the encoding and stops behind the digest accepts it.
    """
    ours = public(key(exponent=3))
    start = b"\x00\x01" + b"\xff" * padding_bytes + b"\x00" + SHA1_INFO + hashlib.sha1(MESSAGE, usedforsecurity=False).digest()
    forged = cube_root(int.from_bytes(start + bytes(256 - len(start)), "big"))
    encoded = (forged**3).to_bytes(256, "big")
    assert encoded.startswith(start), "the forgery itself does not work"
    assert not ours.has_signed(MESSAGE, forged.to_bytes(256, "big"), "sha1")
    genuine = key(exponent=3).sign(MESSAGE, padding.PKCS1v15(), SHA1)
    assert ours.has_signed(MESSAGE, genuine, "sha1")


@pytest.mark.parametrize(
    "info", [SHA1_INFO.replace(b"\x05\x00", b"").replace(b"\x30\x21\x30\x09", b"\x30\x1f\x30\x07"), b"", b"0"]
)
def test_other_encodings_of_the_digest_are_refused(info: bytes) -> None:
    signer, digest = key(), info + hashlib.sha1(MESSAGE, usedforsecurity=False).digest()
    numbers = signer.private_numbers()
    encoded = b"\x00\x01" + b"\xff" * (253 - len(digest)) + b"\x00" + digest
    signature = pow(int.from_bytes(encoded, "big"), numbers.d, numbers.public_numbers.n).to_bytes(256, "big")
    assert not public(signer).has_signed(MESSAGE, signature, "sha1")


def test_certificate_of_aws_is_read() -> None:
    found = parse_certificate(CERTIFICATE)
    assert (found.starts_at, found.ends_at) == (
        datetime(2016, 7, 27, tzinfo=UTC),
        datetime(2017, 8, 22, 23, 59, 59, tzinfo=UTC),
    )
    assert (found.key.modulus.bit_length(), found.key.exponent) == (2048, 65537)


@pytest.mark.parametrize("year", [1951, 2049, 2051])  # two digits of the year until 2049, four afterwards
def test_validity_period_is_read_in_each_century(year: int) -> None:
    starts = datetime(year, 3, 1, 12, 30, 5, tzinfo=UTC)
    found = parse_certificate(certificate(starts=starts, days=1))
    assert found.starts_at == starts
    assert [found.is_valid_at(time) for time in (starts, found.ends_at)] == [True, True]
    assert found.ends_at.day == 2


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"not a certificate",
        b"\xff\xfe",
        b"<html></html>",
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMIAAAA==\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n",
        certificate(ec.generate_private_key(ec.SECP256R1())),
        certificate(key(bits=1024)),
        certificate(key(exponent=3)),
    ],
)
def test_other_files_are_no_certificate(pem: bytes) -> None:
    with pytest.raises(CertificateError):
        parse_certificate(pem)


def test_damaged_certificate_is_an_error_and_nothing_else() -> None:
    """Each of its bytes is needed: cut anywhere, it is refused. With any byte changed, it is read or refused."""
    der = ssl.PEM_cert_to_DER_cert(certificate().decode())
    for length in range(0, len(der), 7):
        with pytest.raises(CertificateError):
            parse_certificate(ssl.DER_cert_to_PEM_cert(der[:length]).encode())
    for at in range(len(der)):
        changed = der[:at] + bytes([der[at] ^ 0x55]) + der[at + 1 :]
        try:
            parse_certificate(ssl.DER_cert_to_PEM_cert(changed).encode())
        except CertificateError:
            continue
