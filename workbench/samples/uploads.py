"""Sample events for every template: uploads, bundles, digests, a test, a trouble notice and more, some with hostile names."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from chalicelib.domain.event import Creation, Event, Kind, Severity, Upload, identity_of
from chalicelib.domain.payloads import Completion, Digest, Line, Part, Share, Summary

from .bus import sample_bus
from .incidents import sample_incidents
from .items import sample_items

_AT = datetime(2026, 3, 2, 9, 20, tzinfo=UTC)
HOSTILE_KEY = "in/\u202efdp.exe\r\nBcc: eve@example.net <img src=x onerror=alert(1)> evil.com {{ 7 * 7 }} 🎉.csv"
_GB, _MB = 1024**3, 1024**2
_BATCH = "deliveries/2026-03-02"


def sample_events(bucket: str = "acme-drops") -> dict[str, Event]:
    """Return one event of each kind that a template may get, by name."""

    def upload(key: str, size: int) -> Upload:
        return Upload(
            bucket, key, size, etag="0" * 32, sequencer="0055AED6DCD90281E5", creation=Creation.PUT, by="AWS:AIDAEXAMPLE"
        )

    def event(kind: Kind, upload: Upload | None, detail: str = "") -> Event:
        return Event(kind, identity_of("sample", kind, detail), _AT, "us-east-1", upload, detail)

    def bundle(name: str, summary: Summary, lead: Upload | None = None, whole: Completion | None = None) -> Event:
        identity = identity_of("sample", "bundle", name)
        severity = Severity.WARNING if whole and not whole.complete else Severity.INFO
        return Event(
            Kind.BUNDLE, identity, _AT, severity=severity, thread=identity, summary=summary, lead=lead, whole=whole, detail=""
        )

    def digest(why: str, parts: tuple[Part, ...] = (), failed: tuple[Share, ...] = ()) -> Event:
        since = min((part.summary.first_at for part in parts if part.summary.first_at), default=_AT - timedelta(days=1))
        return Event(Kind.DIGEST, identity_of("sample", "digest", why), _AT, digest=Digest(since, _AT, why, parts, failed))

    def message(title: str, text: str, **more: str) -> Event:
        words = {"title": title, "text": text, **more}
        return Event(Kind.MESSAGE, identity_of("sample", "message", title), _AT, detail=text, words=words)

    night = (Part("uploads", _uploads()), Part("invoices", _invoices()), Part("reports", _report()))
    return {
        "upload": event(Kind.UPLOAD, upload("invoices/2026/March offer.pdf", 1_234_567)),
        "hostile": event(Kind.UPLOAD, upload(HOSTILE_KEY, 0)),
        "test": event(Kind.TEST, None, "requested with: test asha"),
        "trouble": event(Kind.TROUBLE, None, "Twilio rejects our credentials."),
        "bundle": bundle("invoices", _invoices(), lead=upload("invoices/2026/March offer.pdf", 1_234_567)),
        "bundle-first": replace(bundle("first", _uploads(), lead=upload("in/a.csv", 12_345)), explains=True),
        "bundle-items": bundle("items", _changes()),
        "bundle-hostile": bundle("hostile", _uploads()),
        "whole": bundle("whole", _batch(24), whole=Completion(True, "24 of 24 files", _BATCH, 24)),
        "incomplete": bundle(
            "incomplete",
            _batch(21),
            whole=Completion(False, "21 of the 24 files listed in _SUCCESS", _BATCH, 24, 3, ("p-07", "p-11", HOSTILE_KEY)),
        ),
        "digest": digest("quiet hours", night, (Share("2026-03-01T21", 1), Share("2026-03-02T04", 3))),
        "all-quiet": digest("daily 08:00"),
        **sample_incidents(),
        "message": message("Maintenance tonight", "The shop is closed from 22:00 to 23:00."),
        "message-hostile": message("<b>hi</b>\r\nBcc: eve@example.net", "\u202eevil.com {{ 7 * 7 }}", **{"x<y": "z" * 500}),
        **sample_bus(),
        **sample_items(),
    }


def _invoices() -> Summary:
    """Ten minutes of uploads to one folder: an everyday bundle."""
    names = ("Acme.pdf", "Beta & Sons.pdf", "Gamma.pdf", "Delta.pdf", "Epsilon.pdf", "Zeta.pdf", "Eta.pdf", "Theta.pdf")
    return Summary(
        files=412,
        size=3 * _GB,
        first_at=_AT - timedelta(minutes=20),
        last_at=_AT - timedelta(minutes=10),
        folders=(Share("invoices/2026", 412, 3 * _GB),),
        names=tuple(f"invoices/2026/{name}" for name in names),
        largest=(Share("invoices/2026/Scans of 2025.pdf", 1, 400 * _MB), Share("invoices/2026/Gamma.pdf", 1, 21 * _MB)),
        hours=(Share("2026-03-02T09", 412),),
    )


def _uploads() -> Summary:
    """A night of uploads to several folders."""
    counts = {22: 4, 23: 31, 0: 118, 1: 260, 2: 96, 3: 12, 8: 7}
    return Summary(
        files=528,
        size=9 * _GB,
        first_at=_AT.replace(day=1, hour=22, minute=4),
        last_at=_AT.replace(hour=8, minute=51),
        folders=(
            Share("telemetry/plant-1/line-4/2026-03-01", 240, 5 * _GB),
            Share("telemetry/plant-1/line-5/2026-03-01", 190, 3 * _GB),
            Share("", 61, 300 * _MB),
            Share("in/<b>evil.com</b>\u202e", 2, 1024),
        ),
        more_folders=12,
        names=(HOSTILE_KEY, "telemetry/plant-1/line-4/2026-03-01/part-00000-of-00240.parquet", "notes.txt"),
        largest=(Share("telemetry/plant-1/line-4/2026-03-01/part-00017-of-00240.parquet", 1, 800 * _MB),),
        hours=tuple(Share(f"2026-03-0{1 if hour > 20 else 2}T{hour:02}", files) for hour, files in counts.items()),
    )


def _report() -> Summary:
    at = _AT.replace(hour=5, minute=0)
    return Summary(
        1, 64_000, at, at, (Share("reports", 1, 64_000),), names=("reports/weekly.xlsx",), hours=(Share("2026-03-02T05", 1),)
    )


def _changes() -> Summary:
    lines = tuple(Line(_AT - timedelta(minutes=9 - number), f"Order {17 + number} is rejected") for number in range(9))
    return Summary(first_at=lines[0].at, last_at=_AT, others=212, lines=(*lines, Line(_AT, HOSTILE_KEY)))


def _batch(files: int) -> Summary:
    return Summary(
        files=files,
        size=files * 132 * _MB,
        first_at=_AT - timedelta(hours=2),
        last_at=_AT,
        folders=(Share(_BATCH, files, files * 132 * _MB),),
        names=tuple(f"{_BATCH}/p-{number:02}" for number in range(1, 11) if number != 7 or files == 24)[:10],
        largest=(Share(f"{_BATCH}/p-03", 1, 300 * _MB),),
        hours=(Share("2026-03-02T07", 5), Share("2026-03-02T08", files - 9), Share("2026-03-02T09", 4)),
    )
