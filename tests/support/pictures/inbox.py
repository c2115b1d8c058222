"""The local inbox: its drop zone, a mail, texts on a phone, and messages as Slack, Teams and Discord show them; and a digest."""

from datetime import datetime, timedelta

from msgspec.structs import replace
from playwright.sync_api import Browser, expect

from chalicelib.domain.event import Event
from chalicelib.domain.message import MailLinks, Message
from chalicelib.domain.payloads import IncidentChange, IncidentUpdate, Level
from chalicelib.domain.people import Channel, Person
from chalicelib.rendering.renderer import Renderer
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.serving import serving
from tests.support.stages import memory_stage
from tests.workbench.local.conftest import InboxApp, make_inbox
from workbench.samples.incidents import sample_incidents
from workbench.samples.uploads import sample_events

from .camera import ZONE, draw, window

LINKS = MailLinks(unsubscribe="https://drops.example.com/unsubscribe/…", download="https://drops.example.com/o/…")
DOWN_FOR = timedelta(minutes=6)
CONTRACT = "contracts/2026/Acme supply agreement (signed).pdf"
CHATS_ONLY = """() => {
  const others = ".top, .upload, .phone-side, #chats h2, .payload, .mail-side > :last-child";
  document.querySelectorAll(others).forEach((part) => part.remove());
  Object.assign(document.querySelector(".columns").style, { display: "block", padding: "16px 0 0" });
  document.querySelector(".chats").style.gridAutoColumns = "1fr";
}"""
NIGHT = {-4: 9, -3: 2, -2: 7, -1: 26, 0: 66, 1: 103, 2: 129, 3: 69, 4: 34, 5: 17, 6: 7}  # files by hour, in Paris
FOLDERS = (*("invoices/2026-03",) * 8, *("reports",) * 3, "exports/eu", "exports/eu", "exports/us")
DIGEST = """
[people.carla]
email = "carla@example.com"
timezone = "Europe/Paris"
digest = "daily 08:00"
[[rules]]
name = "invoices"
bucket = "${UPLOAD_BUCKET}"
key = "invoices/**"
notify = ["email:carla"]
then = "off"
[[rules]]
name = "exports"
bucket = "${UPLOAD_BUCKET}"
key = ["exports/**", "reports/**"]
notify = ["email:carla"]
then = "off"
"""


def draw_inbox(browser: Browser) -> None:
    """Draw the inbox; then its chats alone, with one of each service."""
    now = [NOON]
    with make_inbox(lambda: now[0]) as inbox:
        _send(inbox, now)
        with serving(inbox.app) as url, window(browser, 1180, 860) as page:
            page.goto(url)
            expect(page.frame_locator(".mail iframe").first.get_by_text("Download")).to_be_visible()
            draw(page, "inbox", page.locator(".mail").first)
    with make_inbox(lambda: now[0]) as inbox:
        _send_chats(inbox, now)
        with serving(inbox.app) as url, window(browser, 1180, 700) as page:
            page.goto(url)
            page.evaluate(CHATS_ONLY)
            draw(page, "chats", page.locator(".chats"), margin=4)


def draw_digest(browser: Browser) -> None:
    """Draw the mail of a night's uploads, up to the first rule."""
    stage = memory_stage(some_settings(DIGEST))
    midnight, number = stage.now.replace(hour=0) - timedelta(hours=1), 0  # in Paris
    for hour, files in NIGHT.items():
        for index in range(files):
            number += 1
            at = midnight + timedelta(hours=hour, seconds=3598 * index / files)
            key, size = f"{FOLDERS[number % len(FOLDERS)]}/{1000 + number}.pdf", 90_000 + 1_234 * (number % 311)
            stage.now = at + timedelta(seconds=1)
            stage.take(replace(an_upload(key, size, sequencer=f"{number:06}"), at=at))
    stage.now = midnight + timedelta(hours=8)
    stage.sweep_for(minutes=3)
    (digest,) = [item.message for item in stage.mail.accepted if item.to == "carla@example.com"]
    with window(browser, 680, 600) as page:
        page.set_content(digest.html)
        draw(page, "digest", page.get_by_role("heading", name="Uploads per folder").locator("xpath=.."))


def _send(inbox: InboxApp, now: list[datetime]) -> None:
    """An outage of the shop and its end, then a contract: by text, by mail and to chats."""
    renderer, asha = _renderer(), Person("asha", timezone=ZONE)

    def message(template: str, channel: Channel, event: Event) -> Message:
        links = LINKS if channel is Channel.EMAIL else MailLinks()
        rule = "shop" if template == "incident" else "contracts"
        return renderer.render(template, channel=channel, event=event, rule=rule, person=asha, links=links).message

    for event in (_shop(down=True), _shop(down=False)):
        now[0] = event.at + timedelta(seconds=1)
        inbox.text(message("incident", Channel.SMS, event).text)
    inbox.chat("slack", message("incident", Channel.WEBHOOK, event))
    contract = replace(an_upload(CONTRACT, 812_345), at=NOON)
    now[0] = NOON + timedelta(seconds=1)
    inbox.text(message("upload", Channel.SMS, contract).text)
    inbox.chat("teams", message("upload", Channel.WEBHOOK, contract))
    mail = message("upload", Channel.EMAIL, contract)
    inbox.mails.add(mail.subject, BodyText=mail.text, BodyHtml=mail.html, Timestamp=now[0].timestamp())


def _send_chats(inbox: InboxApp, now: list[datetime]) -> None:
    """An outage, a contract and a summary of a burst, to one service each."""
    renderer, room = _renderer(), Person("room", webhook="room", timezone=ZONE)
    contract = replace(an_upload(CONTRACT, 812_345), at=NOON)
    for service, template, rule, event in (
        ("discord", "bundle", "invoices", sample_events()["bundle"]),
        ("teams", "upload", "contracts", contract),
        ("slack", "incident", "shop", _shop(down=True)),
    ):
        now[0] = event.at + timedelta(seconds=1)
        links = MailLinks(download=LINKS.download if event.upload else "")
        message = renderer.render(template, channel=Channel.WEBHOOK, event=event, rule=rule, person=room, links=links).message
        inbox.chat(service, message)


def _shop(*, down: bool) -> Event:
    """The shop's monitor: it fails, and works again six minutes later."""
    event = sample_incidents()["incident"]
    news = event.news
    assert isinstance(news, IncidentUpdate)
    opened = NOON - timedelta(minutes=12)
    news = replace(news, opened_at=opened)
    if not down:
        news = replace(
            news,
            change=IncidentChange.RESOLVED,
            level=Level.OK,
            before=Level.ERROR,
            says="returned 200 in 0.12 s",
            value="200, 0.12 s",
            until=opened + DOWN_FOR,
            remind_s=0,
        )
    return replace(event, at=opened if down else opened + DOWN_FOR, news=news)


def _renderer() -> Renderer:
    return Renderer(some_settings(), stage="prod")
