"""Names of files that strangers chose: as part of a key, and in the header that saves a download.

Sources: RFC 6266 (Content-Disposition), RFC 8187 (filename*); Amazon S3 user guide, "Naming Amazon S3 objects" (characters to
avoid, keys of at most 1,024 bytes).
"""

import unicodedata
from urllib.parse import quote

MAX_BYTES = 200  # of a name in a key
_ATTR_CHARS = "!#$&+-.^_`|~"  # RFC 8187, section 3.2.1: attr-char, besides letters and digits


def attachment(key: str) -> str:
    """Return the Content-Disposition that saves an object under the last part of its key; a browser never shows it in a page."""
    name = "".join(character if character.isprintable() else "_" for character in key.rpartition("/")[2]) or "download"
    plain = "".join(
        character if " " <= character <= "~" and character not in '"\\%' else "_"
        for character in unicodedata.normalize("NFKD", name)
        if not unicodedata.combining(character)
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


def key_for(folder: str, name: str, unique: str) -> str:
    """Return the key of an upload: in the folder, under the file's own name with `unique` before its ending.

    Only letters, digits and a few signs of the name remain. Nothing in it leads out of the folder.
    """
    name = unicodedata.normalize("NFC", _last_part(name))
    kept = "".join(character if character.isalnum() or character in "-_.()" else "-" for character in name)
    stem, dot, ending = kept.strip("-. ").rpartition(".")
    if not dot or len(ending.encode()) > 16:
        stem, dot, ending = kept.strip("-. "), "", ""
    return f"{folder}{_shortened(stem).rstrip('-. ') or 'file'}-{unique}{dot}{ending}"


def _last_part(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _shortened(text: str) -> str:
    return text.encode()[:MAX_BYTES].decode(errors="ignore")
