"""The links of a mail: unsubscribe, acknowledge, mute. Each has a signed token that says for whom and what it is.

The key and our public URL come from the control item, which every container reads anyway: a link adds no call to an upload.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from ...domain.event import Kind
from ...domain.message import MailLinks, Notice
from ...domain.settings import Settings
from ...platform.signing.keys import parse_keys
from ...platform.signing.tokens import Purpose, Signer
from ...policy.controls import Controls, LinkSettings
from ...policy.send_gate import suppression_key

KEY_PURPOSE = "mail links"
UNSUBSCRIBE_LASTS = timedelta(days=400)  # longer than anybody keeps an unread mail
ACTION_LASTS = timedelta(days=7)
PATHS = {Purpose.UNSUBSCRIBE: "unsubscribe", Purpose.ACKNOWLEDGE: "acknowledge", Purpose.MUTE: "mute"}


def link_signer(settings: LinkSettings, clock: Callable[[], datetime]) -> Signer:
    """The signer of links in mails."""
    return Signer(lambda: parse_keys(settings.keys, clock()), clock)


def signer_of(controls: Controls, clock: Callable[[], datetime]) -> Signer | None:
    """The signer of links in mails; None without a public URL: then no mail has any."""
    return link_signer(controls.links, clock) if controls.links else None


def make_links(links: LinkSettings, notice: Notice, settings: Settings, clock: Callable[[], datetime]) -> MailLinks:
    """The links of one mail. An incident that is over needs no acknowledgement; what has no rule cannot be muted."""
    signer, person, news = link_signer(links, clock), notice.recipient.person.name, notice.event.news

    def link(purpose: Purpose, *claims: str, lasts: timedelta = ACTION_LASTS) -> str:
        return f"{links.url}/{PATHS[purpose]}/{signer.issue(purpose, *claims, lasts=lasts)}"

    open_incident = news.id if notice.event.kind is Kind.INCIDENT and news and not news.until else ""
    return MailLinks(
        unsubscribe=link(Purpose.UNSUBSCRIBE, person, suppression_key(notice, settings), lasts=UNSUBSCRIBE_LASTS),
        acknowledge=link(Purpose.ACKNOWLEDGE, person, open_incident) if open_incident else "",
        mute=link(Purpose.MUTE, person, notice.rule) if settings.rule(notice.rule) else "",
    )
