"""How messages of each channel are sent: senders, rates, webhooks."""

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct, field

# Messages per second, where neither the provider nor the settings give a rate.
# Twilio: what a number sends outside the US and Canada (there 1 from a local number, 3 from a toll-free one). Twilio accepts more
# than a number may send and queues up to ten hours of it (Twilio docs, "Understanding Twilio Rate Limits and Message Queues").
DEFAULT_RATE = 10.0
# SES's usual first rate outside the sandbox, assumed until the health check has read the real one. In the sandbox (1 per second),
# the pacer finds the real one within seconds.
SES_RATE = 14.0
# SMTP: Exchange Online allows three connections at a time, holds back more than 30 e-mails a minute, and sends the rest in the
# following minutes (Microsoft Learn, "Message storage and concurrent connection throttling for SMTP Authenticated Submission").
DEFAULT_SMTP_RATE = 1.0


class EmailSettings(Struct, frozen=True):
    """How mail is sent. host, port, security and username are for SMTP only, region and events_topic for SES only."""

    from_: str
    transport: Literal["ses", "smtp"] = "ses"
    host: str = ""
    port: int = 0  # 0: the default of `security`
    security: Literal["starttls", "tls"] = "starttls"
    username: str = ""
    unknown: Literal["resend", "give-up"] = "resend"  # if it is unknown whether a mail was accepted
    rate: float = 0.0  # messages per second at most; 0: as many as SES allows, or DEFAULT_SMTP_RATE
    region: str = ""  # of SES; "": the functions' own
    events_topic: str = ""  # ARN of a topic with SES's events that a function cannot be subscribed to: it sends them over HTTPS

    @property
    def sender(self) -> str:
        """What people unsubscribe from."""
        return self.from_

    @property
    def max_rate(self) -> float:
        """Messages per second. By SES, the account's rate applies as well: the health check records it (ChannelPace.limit)."""
        return self.rate or (SES_RATE if self.transport == "ses" else DEFAULT_SMTP_RATE)


class SmsSettings(Struct, frozen=True):
    """How texts are sent: from a number of ours, or by a Twilio messaging service."""

    account: str
    from_: str = ""
    messaging_service: str = ""
    max_segments: int = 2
    unknown: Literal["resend", "give-up"] = "resend"  # if a text had no response and Twilio's list does not have it
    rate: float = 0.0  # messages per second; 0: DEFAULT_RATE
    countries: tuple[str, ...] = ()  # ISO codes of the countries that texts may go to; none: all

    @property
    def sender(self) -> str:
        """What people opt out of."""
        return self.messaging_service or self.from_

    @property
    def max_rate(self) -> float:
        """Messages per second."""
        return self.rate or DEFAULT_RATE


class WhatsappSettings(SmsSettings, frozen=True):
    """How WhatsApp messages are sent: by a Twilio sender, with templates that Meta has approved."""

    content: Mapping[str, str] = field(default_factory=dict)  # the ContentSid of each of our templates; "default" for the others


class WebhookSettings(Struct, frozen=True):
    """Where and how a webhook is called. Its URL, and for `json` its signing keys, are secrets of its name."""

    name: str
    format: str
    max_rate: float  # messages per second
    unknown: Literal["resend", "give-up"] = "resend"
    allow_private: bool = False  # plain HTTP, and addresses of private networks
    forum: bool = False  # Discord: a forum channel's, where each message joins a thread or starts one
    sender: str = "webhook"  # the same for all: each is its own address

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets of its URL and, if requests are signed, of its signing keys."""
        url = f"webhook-{self.name}"
        return (url, f"{url}-key") if self.format == "json" else (url,)


class ChannelSettings(Protocol):
    """What the settings of every channel, and of every webhook, tell the bot."""

    @property
    def sender(self) -> str:
        """The sender of its messages, which people opt out of."""

    @property
    def max_rate(self) -> float:
        """How many messages per second it may send, unless the provider says otherwise."""

    @property
    def unknown(self) -> Literal["resend", "give-up"]:
        """What to do if it is unknown whether a message was accepted."""
