"""What the application is told by its environment, and how it says what is wrong there."""

from __future__ import annotations

from pathlib import Path

import pytest

from filewallball.app import __main__ as program
from filewallball.app.settings import WrongSetting, from_environment


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    for name in ("database", "cache", "sessions", "sentinel"):
        (tmp_path / name).write_text(f"p@ss/{name}\n")
    return {
        "APP_DATABASE_HOST": "mariadb",
        "APP_DATABASE_NAME": "filewallball_db",
        "APP_DATABASE_USER": "filewallball_app",
        "APP_DATABASE_PASSWORD_FILE": str(tmp_path / "database"),
        "APP_CACHE_URL": "redis://redis:6379/0",
        "APP_CACHE_USER": "app",
        "APP_CACHE_PASSWORD_FILE": str(tmp_path / "cache"),
        "APP_SESSIONS_URL": "sentinel://valkey-sentinel-0:26379,valkey-sentinel-1:26379/valkey-session-master",
        "APP_SESSIONS_PASSWORD_FILE": str(tmp_path / "sessions"),
        "APP_SENTINEL_PASSWORD_FILE": str(tmp_path / "sentinel"),
        "APP_FILES_BUCKET": "files",
    }


def test_what_is_left_out_has_a_default(environment: dict[str, str]) -> None:
    found = from_environment(environment)
    assert (found.site_port, found.admin_port) == (3000, 3001)
    assert found.files.max_bytes == 2 * 2**30
    assert found.files.endpoint is None
    assert found.secure_cookie
    assert found.database.password() == "p@ss/database"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("APP_DATABASE_HOST", "", "APP_DATABASE_HOST is not set"),
        ("APP_SITE_PORT", "http", "APP_SITE_PORT is 'http'. Write a whole number from 1 to 65535."),
        ("APP_SITE_PORT", "70000", "APP_SITE_PORT is '70000'"),
        ("APP_CACHE_URL", "http://redis", "begins with redis:// or rediss://"),
        ("APP_CACHE_URL", "redis://", "names no server"),
        ("APP_CACHE_URL", "redis://:secret@redis", "APP_CACHE_URL has a user or a password in it"),
        ("APP_SECURE_COOKIE", "yes", "APP_SECURE_COOKIE is 'yes'. Write 1 for yes or 0 for no."),
        ("APP_TRUSTED_PROXIES", "10.0.0.1,10.0.0.0/33", "APP_TRUSTED_PROXIES has '10.0.0.0/33'"),
        ("APP_TRUSTED_PROXIES", "nginx", "APP_TRUSTED_PROXIES has 'nginx'"),
        ("APP_FILES_KEY_ID_FILE", "/keys/id", "Set both, or none of them."),
        ("APP_FILES_ADDRESSING", "dns", "APP_FILES_ADDRESSING is 'dns'. Write path or virtual"),
        ("APP_MAX_UPLOAD_BYTES", "2GB", "APP_MAX_UPLOAD_BYTES is '2GB'"),
        ("APP_LOG_LEVEL", "LOUD", "APP_LOG_LEVEL is 'LOUD'"),
        ("APP_CA_FILE", "/nowhere/ca.crt", "APP_CA_FILE is '/nowhere/ca.crt', which is no file."),
        ("APP_DRAIN_SECONDS", "-1", "APP_DRAIN_SECONDS is '-1'"),
    ],
)
def test_each_fault_names_its_variable(environment: dict[str, str], name: str, value: str, said: str) -> None:
    with pytest.raises(WrongSetting) as error:
        from_environment({**environment, name: value})
    assert said in str(error.value)


def test_no_fault_tells_a_password(environment: dict[str, str]) -> None:
    with pytest.raises(WrongSetting) as error:
        from_environment({**environment, "APP_CACHE_URL": "redis://:hunter2@redis"})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["make-admin", "a@example.test"]])
def test_a_command_with_wrong_settings_ends_with_2(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("APP_DATABASE_HOST", raising=False)
    assert program.main(command) == 2
    assert "APP_DATABASE_HOST is not set" in capsys.readouterr().err
