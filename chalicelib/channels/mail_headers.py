"""What every mail of ours says about itself, whichever way it leaves."""

from email.utils import parseaddr

from ..domain.message import Message

# RFC 3834: nobody's out-of-office answers us. X-Auto-Response-Suppress is Microsoft's word for the same (MS-OXCMAIL).
AUTOMATIC = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}

# Our own id: SES replaces Message-ID.
DELIVERY_HEADER = "X-Dropnote-Delivery"


def headers_of(message: Message, delivery_id: str, sender: str) -> dict[str, str]:
    """The headers to add to the mail of that delivery. `sender` is whom it comes from, name and address."""
    headers = {**AUTOMATIC, DELIVERY_HEADER: delivery_id}
    if message.thread:  # RFC 5322, 3.6.4. No mail has that id: SES gives ids of its own, and we learn them too late
        root = f"<{message.thread}.dropnote@{domain_of(sender)}>"
        headers |= {"In-Reply-To": root, "References": root}
    return headers


def domain_of(sender: str) -> str:
    """The domain of an address, with a name or without."""
    return parseaddr(sender)[1].rpartition("@")[2]
