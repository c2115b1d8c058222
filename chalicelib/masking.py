"""Addresses, made fit for logs and errors: enough to recognise one's own, not enough to use another's."""


def mask_number(number: str) -> str:
    """A phone number down to its country's beginning and its last two digits: +91…10."""
    return f"{number[:3]}…{number[-2:]}" if len(number) > 7 else "…"


def mask_email(address: str) -> str:
    """A mail address down to its first letter and its domain: a…@example.com."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}" if at and name else "…"
