"""Lists the addresses of people: which are suppressed or opted out, and the next step."""

from chalicelib.domain.delivery import Reason
from chalicelib.domain.people import Channel, Recipient
from chalicelib.platform.sanitize import mask_email, mask_number
from chalicelib.policy.controls import SuppressedAddress, address_key

from ..account import Account
from ..confirm.send import confirmed
from ..confirm.store import Confirmations

_MASKS = {Channel.EMAIL: mask_email, Channel.SMS: mask_number, Channel.WHATSAPP: mask_number}


def addresses(account: Account) -> list[dict[str, str]]:
    """List every address in the settings, masked: person, channel, address, state, next step, and whether it is confirmed."""
    settings, suppressed = account.settings, account.bot().deliverer.control.now().suppressed
    confirmations = Confirmations(account.client("dynamodb"), account.variables["DROPNOTE_LEDGER"])
    words = confirmed(settings, confirmations)
    recipients = (Recipient(channel, person) for person in settings.people.values() for channel in Channel)
    rows = []
    for recipient in recipients:
        if not recipient.address:
            continue
        channel, sender = recipient.channel, settings.sender(recipient.channel)
        mask = _MASKS.get(channel, str)  # a webhook's name is no secret
        suppression = suppressed.get(address_key(channel, sender, recipient.address))
        rows.append(
            {
                "person": recipient.person.name,
                "channel": channel.value,
                "address": mask(recipient.address),
                "stands": _describe(suppression) if suppression else "OK",
                "next": _next_step(recipient, sender, suppression) if suppression else "",
                "confirmed": words[channel, recipient.address],
            }
        )
    return rows


def _describe(suppression: SuppressedAddress) -> str:
    how = f" ({suppression.detail})" if suppression.detail else ""
    return f"{suppression.reason} since {suppression.since:%Y-%m-%d %H:%M} UTC{how}"


def _next_step(recipient: Recipient, sender: str, suppression: SuppressedAddress) -> str:
    name = recipient.person.name
    opted_out = suppression.reason is Reason.OPTED_OUT and recipient.channel is Channel.SMS
    if recipient.channel is Channel.WEBHOOK:
        return f"create the webhook again, then: dropnote setup --rotate, and dropnote test {name}"
    return f"{name} texts START to {sender}, then: dropnote test {name}" if opted_out else f"dropnote test {name}"
