"""Settings of the object store: a wrong one names itself and what is legal, and no secret is ever shown."""

from __future__ import annotations

import pytest

from portal.config.environment import Environment, environment_read

GOOD = {
    "COMMONS_OBJECTS_URL": "http://127.0.0.1:8480",
    "COMMONS_OBJECTS_ACCESS_KEY": "AKEY",
    "COMMONS_OBJECTS_SECRET_KEY": "hush-hush",
}


def read(monkeypatch: pytest.MonkeyPatch, **values: str) -> Environment:
    """The settings an environment gives."""
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return environment_read()


def test_without_an_address_files_lie_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMMONS_OBJECTS_URL", raising=False)
    assert read(monkeypatch).objects_url == ""


def test_an_address_and_keys_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, **GOOD)
    assert (found.objects_url, found.objects_role, found.objects_credential_s) == (
        GOOD["COMMONS_OBJECTS_URL"],
        "commons-reader",
        3600,
    )
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("COMMONS_OBJECTS_URL", "ftp://127.0.0.1", "write http:// or https://"),
        ("COMMONS_OBJECTS_URL", "http://127.0.0.1/bucket", "and nothing more"),
        ("COMMONS_OBJECTS_URL", "https://s3.example.org", "set COMMONS_MODE=production"),
        ("COMMONS_OBJECTS_ACCESS_KEY", "", "also needs COMMONS_OBJECTS_ACCESS_KEY"),
        ("COMMONS_OBJECTS_SECRET_KEY", "", "COMMONS_OBJECTS_SECRET_KEY"),
        ("COMMONS_OBJECTS_CREDENTIAL_S", "900", "greater than or equal to 1800"),
        ("COMMONS_OBJECTS_CREDENTIAL_S", "soon", "COMMONS_OBJECTS_CREDENTIAL_S"),
        ("COMMONS_OBJECTS_CA", "/nowhere/ca.pem", "name a PEM file"),
        ("COMMONS_OBJECTS_BUCKET_PREFIX", "Not_Good", "COMMONS_OBJECTS_BUCKET_PREFIX"),
        ("COMMONS_OBJECTS_ROLE", "two words", "COMMONS_OBJECTS_ROLE"),
    ],
)
def test_a_wrong_setting_ends_with_one_line_that_helps(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        read(monkeypatch, **(GOOD | {name: value}))
    said = str(ended.value)
    assert words in said
    assert "\n" not in said
    assert "hush" not in said
