"""Events to try templates on: an everyday upload, one with a hostile name, a test, and a word of trouble."""

from datetime import UTC, datetime

from chalicelib.events import Creation, Event, Kind, Upload, identity_of

_AT = datetime(2026, 3, 2, 9, 20, tzinfo=UTC)
HOSTILE_KEY = "in/\u202efdp.exe\r\nBcc: eve@example.net <img src=x onerror=alert(1)> evil.com {{ 7 * 7 }} 🎉.csv"


def sample_events(bucket: str = "acme-drops") -> dict[str, Event]:
    """One event of each kind that a template may meet, by name."""

    def upload(key: str, size: int) -> Upload:
        return Upload(
            bucket, key, size, etag="0" * 32, sequencer="0055AED6DCD90281E5", creation=Creation.PUT, by="AWS:AIDAEXAMPLE"
        )

    def event(kind: Kind, thing: Upload | None, detail: str = "") -> Event:
        return Event(kind, identity_of("sample", kind, detail), _AT, "us-east-1", thing, detail)

    return {
        "upload": event(Kind.UPLOAD, upload("invoices/2026/March offer.pdf", 1_234_567)),
        "hostile": event(Kind.UPLOAD, upload(HOSTILE_KEY, 0)),
        "test": event(Kind.TEST, None, "asked for with: test asha"),
        "trouble": event(Kind.TROUBLE, None, "Twilio does not accept our credentials any more."),
    }
