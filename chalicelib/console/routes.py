"""Registers the console's areas with the app: those for people who sign in only if the settings let anybody in."""

from chalice.app import Chalice

from ..domain.settings import Settings
from . import assets, mail_links, twilio
from .parts import console_settings
from .web import Area, Provide

ALWAYS: tuple[Area, ...] = (assets.area, mail_links.area, twilio.area)  # pages for links in messages: they work without [console]
SIGNED_IN: tuple[Area, ...] = ()


def register(app: Chalice, settings: Settings, stage: str, provide: Provide) -> None:
    """Add the console's routes to the app. `provide` returns the console; it is called for each request."""
    for area in ALWAYS + (SIGNED_IN if console_settings(settings, stage) else ()):
        area.register(app, provide)
