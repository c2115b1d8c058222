"""What every mail of ours says about itself, whichever way it leaves."""

# RFC 3834: nobody's out-of-office answers us. X-Auto-Response-Suppress is Microsoft's word for the same (MS-OXCMAIL).
AUTOMATIC = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}

# Our own id: SES replaces Message-ID.
DELIVERY_HEADER = "X-Dropnote-Delivery"


def headers_of(delivery_id: str) -> dict[str, str]:
    """The headers to add to the mail of that delivery."""
    return {**AUTOMATIC, DELIVERY_HEADER: delivery_id}
