"""`fwb images pin`: digests are found for all images or for none; the file stays as it was around them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from fake_registry import FakeRegistry, serving

from filewallball.errors import ConfigError, UserError
from filewallball.images import pin as module
from filewallball.images import stackfile

ROOT = Path(__file__).parents[3]
STACK = """\
# The whole of it.
config:
  filewallball:cluster: {{context: here}}   # a comment
  filewallball:protect: true

  filewallball:mariadb:
    image: {registry}/library/mariadb:10.11@sha256:SET-ME   # the database
    storage: {{size: 9Gi}}
  filewallball:redis: {{image: "{registry}/library/redis:7.2", maxmemory: 200mb}}
  filewallball:valkey:
    # no image here: it is the default
    replicas: 2
  filewallball:backup:
    store: {{bucket: some-bucket}}
  filewallball:toolkit: {{image: SET-ME}}
  filewallball:agent:
    image: '{registry}/own/agent:1'
"""
TAGS = [("library/mariadb", "10.11"), ("library/redis", "7.2"), ("own/agent", "1")]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeRegistry:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    with serving() as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("components", "facts", "__main__.py", "settings.py", "Pulumi.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "Pulumi.prd.yaml").write_text(STACK.format(registry=registry.name))
    # The default of valkey is at docker.io, which is not asked here.
    parse = module.Reference.parse

    def here(text: str) -> module.Reference:
        return parse(text.replace("docker.io/valkey", f"{registry.name}/valkey"))

    monkeypatch.setattr(module.Reference, "parse", here)
    return tmp_path


def test_every_digest_is_written_and_nothing_else_changes(folder: Path, registry: FakeRegistry) -> None:
    file, said = folder / "Pulumi.prd.yaml", list[str]()
    before = file.read_text()
    digests = {name: registry.put(name, tag, name) for name, tag in [*TAGS, ("valkey/valkey", "8.1")]}
    assert module.pin(folder, "prd", said.append) == 0
    where = registry.name
    expected = (
        before.replace("10.11@sha256:SET-ME", f"10.11@{digests['library/mariadb']}")
        .replace(f'"{where}/library/redis:7.2"', f"{where}/library/redis:7.2@{digests['library/redis']}")
        .replace(f"'{where}/own/agent:1'", f"{where}/own/agent:1@{digests['own/agent']}")
        .replace(
            "    # no image here: it is the default\n",
            "    # no image here: it is the default\n"
            f"    image: docker.io/valkey/valkey:8.1@{digests['valkey/valkey']}\n",
        )
    )
    assert file.read_text() == expected
    assert (
        "toolkit.image: still to be set; write what `fwb images push REGISTRY/PREFIX` prints for it." in said
    )
    # Once more: nothing to do.
    registry.asked.clear()
    assert module.pin(folder, "prd", said.append) == 0
    assert file.read_text() == expected
    assert registry.asked == []


def test_update_looks_again(folder: Path, registry: FakeRegistry) -> None:
    for name, tag in [*TAGS, ("valkey/valkey", "8.1")]:
        registry.put(name, tag, name)
    module.pin(folder, "prd", print)
    moved = registry.put("library/redis", "7.2", "another")
    module.pin(folder, "prd", print)
    assert moved not in (folder / "Pulumi.prd.yaml").read_text()
    module.pin(folder, "prd", print, update=True)
    assert f"library/redis:7.2@{moved}" in (folder / "Pulumi.prd.yaml").read_text()


def test_where_one_is_missing_nothing_is_written(folder: Path, registry: FakeRegistry) -> None:
    file = folder / "Pulumi.prd.yaml"
    before = file.read_text()
    registry.put("library/mariadb", "10.11")
    with pytest.raises(UserError, match=r"The digest of .*/library/redis:7\.2 can't be found") as raised:
        module.pin(folder, "prd", print)
    assert raised.value.exit_code == 1
    assert file.read_text() == before
    assert not list(folder.glob(".Pulumi*"))


def test_a_stack_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="prod"):
        module.pin(folder, "prod", print)


def test_a_stack_that_is_wrong_is_refused(folder: Path) -> None:
    file = folder / "Pulumi.prd.yaml"
    file.write_text(file.read_text().replace("replicas: 2", "replicas: 9"))
    with pytest.raises(ConfigError, match=r"valkey\.replicas"):
        module.pin(folder, "prd", print)


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ("config:\n  t:a: {b: 1}\n", "a.image", "config:\n  t:a: {image: r/x:1, b: 1}\n"),
        ("config:\n  t:a:\n    b: 1\n", "a.image", "config:\n  t:a:\n    image: r/x:1\n    b: 1\n"),
        ("config:\n  t:b: 1\n", "a.image", "config:\n  t:a:\n    image: r/x:1\n  t:b: 1\n"),
        ("config:\n  a:\n    image: old # why\n", "a.image", "config:\n  a:\n    image: r/x:1 # why\n"),
        ("config: {t:a: {image: old}}\n", "a.image", "config: {t:a: {image: r/x:1}}\n"),
        ("config:\n  t:b: 1\n", "a.c.image", "config:\n  t:a:\n    c:\n      image: r/x:1\n  t:b: 1\n"),
        ("config:\r\n  t:a:\r\n    image: old\r\n", "a.image", "config:\r\n  t:a:\r\n    image: r/x:1\r\n"),
        ("config:\n  t:a:\n    image: >-\n      old\n  t:b: 1\n", "a.image", None),
    ],
)
def test_a_value_goes_where_it_belongs(before: str, path: str, after: str | None) -> None:
    found = stackfile.with_value(before, "t:", path, "r/x:1", "f")
    if after is not None:
        assert found == after
    value = yaml.safe_load(found)["config"]
    for step in [
        f"t:{path.split('.')[0]}" if f"t:{path.split('.')[0]}" in value else "a",
        *path.split(".")[1:],
    ]:
        value = value[step]
    assert value == "r/x:1"


@pytest.mark.parametrize("text", ["config:\n  t:a: '{}'\n", "config:\n  t:a: [1]\n", "config: {}\n"])
def test_where_it_can_not_be_written_the_user_is_told_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError, match=r"Write it by hand: a\.image: r/x:1"):
        stackfile.with_value(text, "t:", "a.image", "r/x:1", "f")


def test_a_link_and_its_rights_stay(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text("a")
    real.chmod(0o640)
    (tmp_path / "link").symlink_to(real)
    stackfile.write(tmp_path / "link", "b")
    assert (tmp_path / "link").is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("b", 0o640)
