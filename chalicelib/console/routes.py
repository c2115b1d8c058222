"""Registers the console's areas with the app: those for people who sign in only if the settings let anybody in."""

from chalice.app import Chalice

from ..domain.settings import Settings
from . import actions, assets, audit_log, mail_links, sign_in
from .callbacks import ses, twilio
from .dashboard import views as dashboard
from .files import object_links, upload_links
from .log import views as log
from .web import Area, Provide

# Pages for links in messages, and for people without an account: they work without [console]
ALWAYS: tuple[Area, ...] = (assets.area, mail_links.area, object_links.area, upload_links.area, twilio.area)
SIGNED_IN: tuple[Area, ...] = (sign_in.area, dashboard.area, log.area, actions.area, audit_log.area)


def register(app: Chalice, settings: Settings, provide: Provide) -> None:
    """Add the console's routes to the app. `provide` returns the console of this container; it is called for each request."""
    reports = (ses.area,) if settings.email and settings.email.events_topic else ()
    for area in ALWAYS + reports + (SIGNED_IN if settings.console else ()):
        area.register(app, provide)
