"""What an event says in one line: for digests, and where there is no template."""

from datetime import timedelta

from .incident import Change, News
from .model import Event


def line(event: Event) -> str:
    """One line; an upload's is its key. Texts are as they came: who shows it makes it fit to show."""
    if event.news:
        return of_news(event.news)
    if event.bus:
        return f"{event.bus.subject}: {event.bus.says}"
    if event.item:
        key = ", ".join(str(value) for value in event.item.key.values())
        return f"{event.item.table} {key}: {event.item.did}" + (
            f" ({', '.join(event.item.changed)})" if event.item.changed else ""
        )
    if event.upload:
        return event.upload.key
    return event.detail or event.kind.value


def of_news(news: News) -> str:
    """What happened to an incident: "web resolved after 43 minutes: answered 200"."""
    lasted = f" after {in_words(news.until - news.opened_at)}" if news.until else ""
    how = {
        Change.OPENED: "",
        Change.REMINDER: " is still not well",
        Change.WORSENED: " got worse",
        Change.EASED: " got better",
        Change.FLAPPING: f" flaps, {news.changes} changes of late",
        Change.SETTLED: f" has settled{lasted}",
        Change.RESOLVED: f" resolved{lasted}",
    }[news.change]
    return f"{news.monitor}{how}: {news.says}"


def in_words(span: timedelta) -> str:
    """A stretch of time: "43 minutes", "3 h 5 min", "2 days"."""
    seconds = int(span.total_seconds())
    if seconds < 120 and seconds != 60:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} hours"
    return f"{round(hours / 24)} days"
