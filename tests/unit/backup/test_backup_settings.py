from __future__ import annotations

from pathlib import Path

import pytest

from filewallball import network
from filewallball.backup import __main__ as command
from filewallball.backup import job, settings
from filewallball.backup.environment import NotMade
from filewallball.backup.store import Store
from filewallball.errors import ConfigError


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    for name in ("db", "access", "secret"):
        (tmp_path / name).write_text(f"{name}-value\n")
    return {
        "FWB_DB_HOST": "mariadb",
        "FWB_DB_PORT": "3306",
        "FWB_DB_NAME": "filewallball_db",
        "FWB_DB_USER": "filewallball_backup",
        "FWB_DB_PASSWORD_FILE": str(tmp_path / "db"),
        "FWB_STORE_ENDPOINT": "http://store:7070",
        "FWB_STORE_BUCKET": "filewallball-backups",
        "FWB_STORE_PREFIX": "",
        "FWB_STORE_REGION": "us-east-1",
        "FWB_STORE_ACCESS_KEY_FILE": str(tmp_path / "access"),
        "FWB_STORE_SECRET_KEY_FILE": str(tmp_path / "secret"),
        "FWB_WORK_DIR": str(tmp_path),
        "FWB_WORK_SIZE": "2Gi",
    }


def test_everything_is_read(environment: dict[str, str], tmp_path: Path) -> None:
    found = settings.from_environment(environment)
    assert found.database == settings.DatabaseSettings(
        "mariadb", 3306, "filewallball_db", "filewallball_backup", "db-value"
    )
    assert found.store == settings.StoreSettings(
        "filewallball-backups", "", "http://store:7070", "us-east-1", "access-value", "secret-value"
    )
    assert (found.work_dir, found.work_size) == (tmp_path, 2 * 2**30)


def test_aws_needs_neither_endpoint_nor_keys(environment: dict[str, str]) -> None:
    for name in ("ENDPOINT", "ACCESS_KEY_FILE", "SECRET_KEY_FILE", "REGION", "PREFIX"):
        del environment[f"FWB_STORE_{name}"]
    del environment["FWB_WORK_SIZE"]
    found = settings.from_environment(environment)
    assert found.store == settings.StoreSettings("filewallball-backups")
    assert found.store.where == "s3://filewallball-backups/ at AWS"
    assert found.work_size is None


def test_a_secret_that_is_not_made_yet(environment: dict[str, str], tmp_path: Path) -> None:
    environment["FWB_STORE_SECRET_KEY_FILE"] = str(tmp_path / "backup-keys" / "secret-key")
    with pytest.raises(NotMade) as caught:
        settings.from_environment(environment)
    assert "no Secret backup-keys with the key secret-key" in caught.value.message
    assert "create secret generic backup-keys --from-literal=access-key=KEY" in caught.value.hint


def test_an_authority_that_is_not_made_yet() -> None:
    with pytest.raises(NotMade, match=r"filewallball:backup\.store\.ca"):
        Store(settings.StoreSettings("bucket", endpoint="https://s3", ca_file="/nowhere/ca.crt"))


def test_secrets_are_not_shown(environment: dict[str, str]) -> None:
    shown = repr(settings.from_environment(environment))
    assert "-value" not in shown


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("FWB_DB_HOST", "", "FWB_DB_HOST: not set"),
        ("FWB_DB_PORT", "33o6", "FWB_DB_PORT: '33o6' is not a port number"),
        ("FWB_DB_PORT", "70000", "FWB_DB_PORT: '70000' is not a port number"),
        ("FWB_DB_PASSWORD_FILE", "", "FWB_DB_PASSWORD_FILE: not set; it names the file"),
        ("FWB_DB_PASSWORD_FILE", "/nowhere/x", "cannot read /nowhere/x (No such file or directory)"),
        ("FWB_DB_PASSWORD_FILE", "/dev/null", "/dev/null is empty"),
        ("FWB_STORE_ENDPOINT", "store:7070", "FWB_STORE_ENDPOINT: 'store:7070' is not a URL"),
        ("FWB_STORE_SECRET_KEY_FILE", "", "goes with FWB_STORE_ACCESS_KEY_FILE: one alone is set"),
        ("FWB_WORK_DIR", "/nowhere", "FWB_WORK_DIR: /nowhere is not a directory"),
        ("FWB_WORK_SIZE", "2 GB", "FWB_WORK_SIZE: '2 GB' is not a size"),
        ("FWB_BACKUP_COMPRESSION", "xz", "FWB_BACKUP_COMPRESSION: 'xz' is not one of gzip, zstd"),
        (
            "FWB_BACKUP_RECIPIENTS",
            "age1foo",
            "age1foo is not a public key of age (filewallball:backup.encrypt",
        ),
        ("FWB_BACKUP_RECIPIENTS", "AGE-SECRET-KEY-1X", "FWB_BACKUP_RECIPIENTS: a line is not a public key"),
    ],
)
def test_a_wrong_value_is_named(environment: dict[str, str], name: str, value: str, said: str) -> None:
    environment[name] = value
    with pytest.raises(ConfigError) as caught:
        settings.from_environment(environment)
    assert said in caught.value.message


def test_all_wrong_values_come_together_and_the_exit_code_is_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command.os, "environ", {"FWB_DB_PORT": "x", "FWB_WORK_SIZE": "lots"})
    assert command.main(["run"]) == 2
    said = capsys.readouterr().err
    for name in ("HOST", "PORT", "NAME", "USER", "PASSWORD_FILE"):
        assert f"FWB_DB_{name}: " in said
    for name in ("FWB_STORE_BUCKET", "FWB_WORK_DIR", "FWB_WORK_SIZE"):
        assert f"{name}: " in said
    assert "Nothing has been changed" in said


def test_wrong_usage_ends_with_2() -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["ran"])


@pytest.mark.parametrize("asked", [[], ["--allow-empty"]])
def test_an_empty_database_is_allowed_only_when_asked(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    given: list[bool] = []

    def run(found: settings.Settings, *_: object) -> None:
        given.append(found.allow_empty)
        raise ConfigError("enough")

    monkeypatch.setattr(command.os, "environ", environment)
    monkeypatch.setattr(network, "wait_admitted", lambda _: None)
    monkeypatch.setattr(job, "run", run)
    assert command.main(["run", *asked]) == 2
    assert given == [bool(asked)]


@pytest.mark.parametrize(
    ("asked", "rate"), [([], 20 * 2**20), (["--rate", "3M"], 3_000_000), (["--rate", "0"], 0)]
)
def test_the_rate_of_the_command_goes_before_that_of_the_stack(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, asked: list[str], rate: int
) -> None:
    given: list[int | None] = []

    def run(found: settings.Settings, *_: object) -> None:
        given.append(found.rate)
        raise ConfigError("enough")

    def nothing(_addresses: object) -> None: ...

    monkeypatch.setattr(command.os, "environ", {**environment, "FWB_BACKUP_RATE": "20Mi"})
    monkeypatch.setattr(network, "wait_admitted", nothing)
    monkeypatch.setattr(job, "run", run)
    command.main(["run", *asked])
    assert given == [rate]


@pytest.mark.parametrize(("text", "size"), [("1000", 1000), ("1.5Gi", 1610612736), ("3M", 3_000_000)])
def test_sizes(environment: dict[str, str], text: str, size: int) -> None:
    assert settings.from_environment({**environment, "FWB_WORK_SIZE": text}).work_size == size
