"""The links of a message: unsubscribe, acknowledge, mute, download. Each has a signed token that says for whom and what it is.

The key and our public URL come from the control item, which every container reads anyway: a link adds no call to an upload.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from ...domain.delivery import delivery_id
from ...domain.event import Kind
from ...domain.message import MailLinks, Notice
from ...domain.people import Channel
from ...domain.settings import Settings
from ...platform.signing.keys import parse_keys
from ...platform.signing.tokens import Purpose, Signer
from ...policy.controls import Controls, LinkSettings
from ...policy.send_gate import suppression_key

KEY_PURPOSE = "mail links"
UNSUBSCRIBE_LASTS = timedelta(days=400)  # longer than anybody keeps an unread mail
ACTION_LASTS = timedelta(days=7)
PATHS = {Purpose.UNSUBSCRIBE: "unsubscribe", Purpose.ACKNOWLEDGE: "acknowledge", Purpose.MUTE: "mute"}
OBJECT_PATH = "o"  # one letter: a text has little room


def link_signer(settings: LinkSettings, clock: Callable[[], datetime]) -> Signer:
    """The signer of links in mails."""
    return Signer(lambda: parse_keys(settings.keys, clock()), clock)


def signer_of(controls: Controls, clock: Callable[[], datetime]) -> Signer | None:
    """The signer of links in mails; None without a public URL: then no mail has any."""
    return link_signer(controls.links, clock) if controls.links else None


def make_links(links: LinkSettings, notice: Notice, settings: Settings, clock: Callable[[], datetime]) -> MailLinks:
    """The links of one message. An incident that is over needs no acknowledgement; what has no rule cannot be muted."""
    download = _download_link(links, notice, settings, clock)
    if notice.recipient.channel is not Channel.EMAIL:
        return MailLinks(download=download)
    signer, person, news = link_signer(links, clock), notice.recipient.person.name, notice.event.news

    def link(purpose: Purpose, *claims: str, lasts: timedelta = ACTION_LASTS) -> str:
        return f"{links.url}/{PATHS[purpose]}/{signer.issue(purpose, *claims, lasts=lasts)}"

    open_incident = news.id if notice.event.kind is Kind.INCIDENT and news and not news.until else ""
    return MailLinks(
        unsubscribe=link(Purpose.UNSUBSCRIBE, person, suppression_key(notice, settings), lasts=UNSUBSCRIBE_LASTS),
        acknowledge=link(Purpose.ACKNOWLEDGE, person, open_incident) if open_incident else "",
        mute=link(Purpose.MUTE, person, notice.rule) if settings.rule(notice.rule) else "",
        download=download,
    )


def _download_link(links: LinkSettings, notice: Notice, settings: Settings, clock: Callable[[], datetime]) -> str:
    """The link to the object of an upload; "" if its rule wants none, or not on this channel. A summary has no single object.

    It names the delivery, whose row names the object: short enough for a text, and it ends when the settings say so.
    """
    rule, recipient = settings.rule(notice.rule), notice.recipient
    if not (rule and rule.link and notice.event.upload) or notice.event.kind is not Kind.UPLOAD:
        return ""
    in_text = rule.link.sms and _is_own_domain(links.url)
    if recipient.channel is Channel.WHATSAPP or (recipient.channel is Channel.SMS and not in_text):
        return ""
    id_ = delivery_id(notice.event, notice.rule, recipient.address, recipient.channel)
    return f"{links.url}/{OBJECT_PATH}/{link_signer(links, clock).sign(Purpose.OBJECT, bytes.fromhex(id_))}"


def _is_own_domain(url: str) -> bool:
    """Whether a public URL is not API Gateway's own, which would cost a text most of a segment."""
    host = url.partition("://")[2].partition("/")[0].partition(":")[0].lower()
    return not host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
