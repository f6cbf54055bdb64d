"""Secrets of buckets: what they may look like, and that none of them is ever repeated."""

import json

import pytest

from app.errors import SettingsError
from app.storage.credentials import read_credentials

S3 = {"access_key_id": "AKIA1", "secret_access_key": "hunter2/+="}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(S3),
        json.dumps({"aws_access_key_id": "AKIA1", "aws_secret_access_key": "hunter2/+="}),
        "access_key_id=AKIA1\nsecret_access_key=hunter2/+=",
        "[default]\n# mine\naws_access_key_id = AKIA1\naws_secret_access_key = hunter2/+=\n",
        "AKIA1:hunter2/+=",
        "  AKIA1:hunter2/+=\n",
    ],
)
def test_the_forms_of_an_s3_secret(monkeypatch, text):
    monkeypatch.setenv("LW_S", text)
    assert read_credentials("env:LW_S", "s3") == S3


def test_a_secret_comes_from_a_private_file(tmp_path):
    file = tmp_path / "s3"
    file.write_text("access_key=A\nsecret_key=B\nsession_token=C\n")
    file.chmod(0o600)
    assert read_credentials(f"file:{file}", "s3") == {
        "access_key_id": "A",
        "secret_access_key": "B",
        "session_token": "C",
    }
    file.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_credentials(f"file:{file}", "s3")


def test_other_stores_have_other_names(monkeypatch):
    monkeypatch.setenv("LW_S", "account:a2V5==")
    assert read_credentials("env:LW_S", "az") == {"account_name": "account", "account_key": "a2V5=="}
    monkeypatch.setenv("LW_S", '{"type": "service_account", "client_email": "x@y"}')
    assert read_credentials("env:LW_S", "gs") == {
        "service_account_key": '{"type": "service_account", "client_email": "x@y"}'
    }


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
@pytest.mark.parametrize(
    "text",
    [
        "", "hunter2", '{"hunter2": "x"}', '{"access_key_id": 1}', '{"access_key_id"', "[]", "{}",
        "hunter2=x\nhunter2=y", "secret hunter2: x y", "password=hunter2", "access_key_id=", '"hunter2"',
    ],
)  # fmt: skip
def test_what_is_no_credential_is_refused_by_its_reference_alone(monkeypatch, scheme, text):
    monkeypatch.setenv("LW_S", text)
    with pytest.raises(SettingsError, match="env:LW_S") as caught:
        read_credentials("env:LW_S", scheme)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.__cause__)
