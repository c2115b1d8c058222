"""Headers of every e-mail, whichever transport sends it."""

from email.utils import parseaddr

from ..domain.message import Message

# RFC 3834: prevents out-of-office replies. X-Auto-Response-Suppress is Microsoft's equivalent (MS-OXCMAIL).
AUTO_GENERATED = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}

# Our own id: SES replaces Message-ID.
DELIVERY_HEADER = "X-Dropnote-Delivery"
DELIVERY_TAG = "dropnote-delivery"  # the same as a tag of SES, which its events repeat


def build_headers(message: Message, delivery_id: str, sender: str) -> dict[str, str]:
    """Return the headers to add to a delivery's e-mail. `sender` is the From field, with or without a name."""
    headers = {**AUTO_GENERATED, DELIVERY_HEADER: delivery_id}
    if message.thread:  # RFC 5322, 3.6.4. No e-mail has this id: SES assigns its own, which we learn too late
        root = f"<{message.thread}.dropnote@{sender_domain(sender)}>"
        headers |= {"In-Reply-To": root, "References": root}
    if message.unsubscribe:  # RFC 2369, 3.2 and RFC 8058: the mail program's own button, which sends a POST
        headers |= {"List-Unsubscribe": f"<{message.unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return headers


def sender_domain(sender: str) -> str:
    """Return the domain of an address, with or without a name."""
    return parseaddr(sender)[1].rpartition("@")[2]
