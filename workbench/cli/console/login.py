"""`dropnote login`: a link that signs a person in to the console, printed or mailed."""

import getpass

import click

from chalicelib.bot.assembly import make_console
from chalicelib.console.parts import Console
from chalicelib.console.sign_in import sign_in_link
from chalicelib.domain.delivery import DeliveryError
from chalicelib.domain.people import Channel, Recipient
from chalicelib.platform.phrases import did_you_mean
from chalicelib.platform.secrets import MissingSecret
from chalicelib.rendering.letters import Letter, letter_mail
from chalicelib.store.console.sign_ins import LINK_LIFE

from ...account import Account, AccountError
from ...local.running import read_running
from ...output import print_json, say
from ..options import JSON_OPTION, on_account

MINUTES = LINK_LIFE.seconds // 60


@click.command()
@click.argument("person", required=False)
@click.option("--mail", is_flag=True, help="Mail the link to the person instead of printing it")
@JSON_OPTION
@on_account
def login(account: Account, person: str | None, mail: bool, json_: bool) -> None:
    """Make a link that signs a person in to the console

    Without PERSON: the owner. The link is valid once, for 15 minutes.
    """
    try:
        name, console = person or account.settings.bot.owner, make_console(account.bot(), account.variables, account.client)
        link = new_link(console, name, base_url(account, console))
        if mail:
            _send(console, name, link)
    except (MissingSecret, LookupError, DeliveryError) as error:
        raise AccountError(str(error.args[0])) from error
    if json_:
        print_json({"person": name, "link": "" if mail else link, "mailed": mail, "minutes": MINUTES})
    elif mail:
        say(f"Mailed a link to {name}: valid once, for {MINUTES} minutes.")
    else:
        say(link)
        say(f"Signs in {name}, once, within {MINUTES} minutes. Whoever has it can sign in: do not forward it.", "dim")


def new_link(console: Console, person: str, base: str) -> str:
    """Make a link for a person of the settings.

    Raises:
        AccountError: no such person, or they may not sign in.
    """
    people = console.settings.people
    if not person:
        raise AccountError("name a person: dropnote login NAME (the settings have no owner)")
    if person not in people:
        raise AccountError(f"unknown person {person!r}; {did_you_mean(person, people) or 'the settings have no such person'}")
    try:
        return sign_in_link(console, person, base, getpass.getuser())
    except LookupError as error:
        raise AccountError(str(error.args[0])) from error


def base_url(account: Account, console: Console) -> str:
    """The URL of the stage's routes.

    Raises:
        AccountError: it is unknown.
    """
    running = read_running() if account.stage == "local" else None
    if url := (running.api or "") if running else console.secrets.public_url():
        return url
    raise AccountError(f"the URL of the console is unknown; run dropnote finish --stage {account.stage}")


def _send(console: Console, person: str, link: str) -> None:
    """Mail the link. Not through the ledger, which readers of the console see."""
    to = Recipient(Channel.EMAIL, console.settings.people[person])
    if not to.address:
        raise AccountError(f"{person} has no e-mail address in the settings; print the link without --mail")
    title = f"Sign in to {console.settings.bot.name}"
    text = f"The link signs you in to the console, once, within {MINUTES} minutes."
    letter = Letter(title, title, text, "If you did not ask for it, ignore this mail.", button="Sign in", url=link)
    message = letter_mail(letter, console.settings, console.stage)
    console.deliverer.open_transport(Channel.EMAIL).send(message, to=to.address, delivery_id="sign-in")


COMMANDS = (login,)
