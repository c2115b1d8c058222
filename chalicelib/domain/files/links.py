"""Links to files: to an uploaded object, in a message; and to a page where somebody without an AWS account uploads."""

from datetime import timedelta

from msgspec import Struct


class ObjectLink(Struct, frozen=True):
    """The link to the object in the messages of a rule."""

    lasts: timedelta
    sign_in: bool = False  # it opens only for people who are signed in to the console
    sms: bool = False  # texts have it too


class UploadFolder(Struct, frozen=True):
    """A folder of a bucket that upload links may be made for."""

    bucket: str
    folder: str  # ends with a slash

    def __str__(self) -> str:
        return f"{self.bucket}/{self.folder}"
