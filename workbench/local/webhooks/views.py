"""What a person sees of a message in Slack, Microsoft Teams and Discord, read from the JSON that the service accepted.

Everything in it is untrusted text; the inbox's templates escape it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from chalicelib.channels.webhook import discord, slack, teams

from .double import Post

NAMES = {"slack": "Slack", "teams": "Microsoft Teams", "discord": "Discord", "json": "JSON", "apprise": "Apprise"}
_ESCAPED = re.compile(r"\\([\\*_~`|>#\-\[\]()<:@{}])")


@dataclass
class View:
    """A message as it is shown."""

    title: str = ""
    tone: str = "info"
    text: list[str] = field(default_factory=list)
    facts: list[tuple[str, str, bool]] = field(default_factory=list)  # name, value, whether it shares its row with others
    lists: list[tuple[str, list[str]]] = field(default_factory=list)
    link: tuple[str, str] = ("", "")
    footer: str = ""


def view_of(post: Post) -> dict[str, Any]:
    """Return a message for the inbox."""
    view = view_of_message(post.service, post.message) if post.service in _VIEWS else View()
    return {
        "id": post.id,
        "service": post.service,
        "name": NAMES.get(post.service, post.service),
        "at": post.at.isoformat(),
        "json": json.dumps(post.message, indent=2, ensure_ascii=False),
        **asdict(view),
    }


def view_of_message(service: str, message: Any) -> View:
    """What a person sees of a message's JSON; of Teams, the card's."""
    return _VIEWS[service](message)


def _slack(message: Mapping[str, Any]) -> View:
    attachment = message["attachments"][0]
    view = View(message["blocks"][0]["text"]["text"], _tone(slack.COLOURS, attachment["color"]))
    for block in attachment["blocks"]:
        if block["type"] == "context":
            view.footer = block["elements"][0]["text"]
        else:
            for element in block["elements"]:
                _slack_element(view, element)
    return view


def _slack_element(view: View, element: Mapping[str, Any]) -> None:
    if element["type"] == "rich_text_list":
        heading = view.text.pop() if view.text and view.text[-1].endswith("\0") else ""
        view.lists.append((heading.rstrip("\0"), [item["elements"][0]["text"] for item in element["elements"]]))
        return
    runs = element["elements"]
    if runs[0]["type"] == "link":
        view.link = (runs[0]["text"], runs[0]["url"])
    elif "style" not in runs[0]:
        view.text.append(runs[0]["text"].rstrip("\n"))
    elif len(runs) == 1:
        view.text.append(runs[0]["text"] + "\0")  # the heading of the list that follows
    else:
        pairs = zip(runs[::2], runs[1::2], strict=True)
        view.facts += [(name["text"].rstrip(": "), value["text"].rstrip("\n"), False) for name, value in pairs]


def _discord(message: Mapping[str, Any]) -> View:
    embed = message["embeds"][0]
    view = View(_plain(embed["title"]), _tone(discord.COLOURS, embed["color"]), footer=embed.get("footer", {}).get("text", ""))
    view.text = _plain(embed["description"]).split("\n") if "description" in embed else []
    view.link = (view.title, embed["url"]) if "url" in embed else ("", "")
    for each in embed["fields"]:
        name, value = _plain(each["name"]), _plain(each["value"])
        if value.startswith("• "):
            view.lists.append((name, value.removeprefix("• ").split("\n• ")))
        else:
            view.facts.append((name, value, each["inline"]))
    return view


def _teams(card: Mapping[str, Any]) -> View:
    title, *elements, footer = card["body"]
    view = View(_text(title["items"][0]), _tone(teams.STYLES, title["style"]), footer=_text(footer))
    for element in elements:
        if element["type"] == "FactSet":
            view.facts += [(_plain(fact["title"]), _plain(fact["value"]), False) for fact in element["facts"]]
        elif element["type"] == "Container":
            texts = [_text(item) for item in element["items"]]
            heading = "" if texts[0].startswith("• ") else texts.pop(0)
            view.lists.append((heading, [text.removeprefix("• ") for text in texts]))
        else:
            view.text.append(_text(element))
    for action in card.get("actions", []):
        view.link = (action["title"], action["url"])
    return view


def _json(message: Mapping[str, Any]) -> View:
    return View(message["data"]["title"], message["data"]["tone"])


def _text(block: Mapping[str, Any]) -> str:
    return "".join(run["text"] for run in block["inlines"])


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _tone(colours: Mapping[Any, object], colour: object) -> str:
    return next((tone.value for tone, each in colours.items() if each == colour), "info")


_VIEWS = {"slack": _slack, "discord": _discord, "teams": _teams, "json": _json}
