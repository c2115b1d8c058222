"""The errors of Twilio's API: validation of a new text, magic numbers, error bodies. Pure.

Sources, by page name in Twilio's docs: "Messages resource", "Test credentials" (the magic numbers), "Error and warning
dictionary" (the codes and their titles), "Twilio API responses" (the format of an error). The docs do not say in which order
Twilio reports several errors of one request; here: missing, too long, sender, recipient, callback.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

MAX_BODY = 1600  # characters, whatever encoding they need
MAX_CALLBACK = 4000  # characters of a StatusCallback
PASSING_SENDER = "+15005550006"  # the only magic number that may send

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_NORTH_AMERICA = re.compile(r"\+1[2-9][0-9]{9}")
_MAGIC = re.compile(r"\+1500555[0-9]{4}")  # 500 numbers are not phones; Twilio uses them for tests
_CALLBACK = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?/[!-~]+")  # fully qualified, no underscores in the host name
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")

_MAGIC_TO = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
_MAGIC_FROM = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}

_STATUS = {20003: 401, 20404: 404, 20429: 429, 20500: 500, 20503: 503, 63038: 429}  # all other codes: 400
_MESSAGES = {
    20003: "Authenticate",
    20404: "The requested resource {path} was not found",
    20429: "Too Many Requests",
    20500: "Internal Server Error",
    20503: "Service Unavailable",
    21211: "The 'To' number {to} is not a valid phone number.",
    21212: "The 'From' number {sender} is not a valid phone number, shortcode, or alphanumeric sender ID.",
    21265: "'To' number cannot be a Short Code: {to}",
    21266: "'To' and 'From' number cannot be the same: {to}",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}.",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The From phone number {sender} is not a valid, SMS-capable inbound phone number or short code for your account.",
    21608: "The number {to} is unverified. Trial accounts cannot send messages to unverified numbers.",
    21610: "Attempt to send to unsubscribed recipient",
    21609: "The 'StatusCallback' is not a valid URL.",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
    21612: "The 'To' phone number: {to}, is not currently reachable using the 'From' phone number: {sender} via SMS.",
    21614: "'To' number is not a valid mobile number: {to}",
    21617: "The concatenated message body exceeds the 1600 character limit.",
    21635: "'To' number cannot be a landline: {to}",
    21659: "'From' {sender} is not a Twilio phone number or Short Code country mismatch",
    21654: "ContentSid Required",
    21655: "The ContentSid is Invalid",
    21656: "The ContentVariables Parameter is invalid",
    21658: "Parameter exceeded character limit",
    21701: "The Messaging Service Sid {sender} is invalid.",
    21703: "The Messaging Service does not have a phone number available to send a message",
    21704: "The Messaging Service contains no phone numbers",
    21910: "Invalid 'From' and 'To' pair. 'From' and 'To' should be of the same channel",
    30001: "Queue overflow",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30022: "US A2P 10DLC - Rate Limits Exceeded",
    30023: "US A2P 10DLC - Daily Message Cap Reached",
    30034: "Message from an Unregistered Number",
    30450: "Message delivery blocked",
    30454: "Account exceeded the messages limit",
    63001: "Channel could not authenticate the request. Please see channel specific error message for more information",
    63003: "Channel could not find To address",
    63005: "Channel did not accept given content. Please see channel specific error message for more information",
    63007: "Twilio could not find a Channel with the specified From address",
    63013: "This message send failed because it violates Channel provider's policy",
    63014: "Channel message blocked by user action",
    63015: "Channel Sandbox can only send messages to phone numbers that have joined the Sandbox",
    63016: "Outside messaging window. For WhatsApp, use a Message Template instead",
    63018: "Rate limit exceeded for Channel",
    63021: "Channel invalid content error",
    63024: "Invalid message recipient",
    63027: "Template does not exist for a language and locale",
    63028: "Number of parameters provided does not match the expected number of parameters",
    63032: "We cannot send this message to this user because of a WhatsApp limitation",
    63038: "Account exceeded the daily messages limit",
    63040: "Template rejected",
    63041: "Template paused",
    63042: "Template disabled",
    63049: "Meta chose not to deliver this WhatsApp marketing message",
}


@dataclass(frozen=True, slots=True)
class ApiError:
    """An error response: the HTTP status, and Twilio's own code and message."""

    status: int
    code: int
    message: str

    def body(self) -> dict[str, object]:
        """The response's JSON; a failed login also has a `detail`."""
        fields: dict[str, object] = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return {**fields, "detail": ""} if self.code == 20003 else fields


def api_error(code: int, *, status: int | None = None, to: str = "", sender: str = "", path: str = "") -> ApiError:
    """The error with this code and Twilio's message; `status` overrides the code's usual one."""
    message = _MESSAGES.get(code, "Error {code}").format(code=code, to=to, sender=sender, path=path)
    return ApiError(status or _STATUS.get(code, 400), code, message)


def validate(form: Mapping[str, str], owned: Collection[str]) -> ApiError | None:
    """The error with which Twilio would reject this text, or None if it would accept it. `owned`: the account's numbers."""
    to, sender, service = form.get("To", ""), form.get("From", ""), form.get("MessagingServiceSid", "")
    code = (
        _missing(to, sender or service, form.get("Body", ""))
        or _bad_sender(sender, service, owned)
        or _bad_recipient(to, sender)
        or _bad_callback(form.get("StatusCallback", ""))
    )
    return api_error(code, to=to, sender=sender or service) if code else None


def _missing(to: str, sender: str, body: str) -> int:
    if not to:
        return 21604
    if not sender:
        return 21603
    if not body:
        return 21602
    return 21617 if len(body) > MAX_BODY else 0


def _bad_sender(sender: str, service: str, owned: Collection[str]) -> int:
    """With a messaging service Twilio picks the number itself; a From is then only a preference."""
    if service:
        return 0 if _SERVICE.fullmatch(service) else 21701
    if sender in _MAGIC_FROM:
        return _MAGIC_FROM[sender]
    if not _is_number(sender):
        return 21212
    return 0 if sender == PASSING_SENDER or sender in owned else 21606


def _bad_recipient(to: str, sender: str) -> int:
    if to in _MAGIC_TO:
        return _MAGIC_TO[to]
    if not _is_number(to):
        return 21211
    return 21266 if to == sender else 0


def _bad_callback(url: str) -> int:
    return 21609 if url and (len(url) > MAX_CALLBACK or not _CALLBACK.fullmatch(url)) else 0


def _is_number(text: str) -> bool:
    """Whether it is an E.164 number; for +1 the fixed length is checked as well, as Twilio does."""
    if text.startswith("+1"):
        return bool(_NORTH_AMERICA.fullmatch(text) or _MAGIC.fullmatch(text))
    return bool(_E164.fullmatch(text))
