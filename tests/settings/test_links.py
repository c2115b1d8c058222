"""`link` of a rule and [[upload_links]]: what they may say, and the errors."""

from datetime import timedelta

import pytest

from chalicelib.domain.files.links import ObjectLink, UploadFolder
from chalicelib.domain.settings import Settings, SettingsError
from tests.support.builders import some_settings


def settings(link: str = "", more: str = "") -> Settings:
    return some_settings(more, **{'then = "off"': f'then = "off"\n{link}'})


def errors(link: str = "", more: str = "") -> str:
    with pytest.raises(SettingsError) as caught:
        settings(link, more)
    return str(caught.value)


def test_link_is_off_unless_set() -> None:
    assert settings().rules[0].link is None
    assert settings().upload_links == ()


def test_link_is_a_time_or_a_table() -> None:
    assert settings('link = "7d"').rules[0].link == ObjectLink(timedelta(days=7))
    full = settings('link = { lasts = "12h", sign_in = true, sms = true }', '[console]\noperators = ["asha"]\n')
    assert full.rules[0].link == ObjectLink(timedelta(hours=12), True, True)


LINKS = [
    ('link = "91d"', "link: '91d' is not between 5m and 90d"),
    ("link = 7", "link: must be text"),
    ("link = {}", "link.lasts: missing"),
    ('link = { lasts = "1d", signin = true }', "did you mean 'sign_in'?"),
    ('link = { lasts = "1d", sign_in = true }', "sign_in needs the table [console]"),
]


@pytest.mark.parametrize(("link", "sentence"), LINKS)
def test_wrong_link_is_named(link: str, sentence: str) -> None:
    assert sentence in errors(link)


def folder(text: str) -> str:
    return f'[[upload_links]]\nbucket = "${{UPLOAD_BUCKET}}"\nfolder = "{text}"\n'


def test_folders_of_upload_links() -> None:
    assert settings(more=folder("a/") + folder("b/c/")).upload_links == (
        UploadFolder("acme-drops", "a/"),
        UploadFolder("acme-drops", "b/c/"),
    )


@pytest.mark.parametrize("text", ["", "a", "/a/", "a//", "*/", "a?/", "${a}/".replace("$", "$$"), "../a/", "/", "a" * 501 + "/"])
def test_wrong_folder_is_named(text: str) -> None:
    assert "[[upload_links]]" in errors(more=folder(text))


def test_same_folder_twice_is_an_error() -> None:
    assert "the same folder twice" in errors(more=folder("a/") + folder("a/"))


def test_bucket_is_required() -> None:
    assert "bucket: missing" in errors(more='[[upload_links]]\nfolder = "a/"\n')
