"""Each setting with values that it must not take, and the mistakes that people make in the files of stacks.

Each goes the whole way: a file, the one reader, the program under Pulumi's own mocks. It ends with exit
code 2, names the path, shows what was given and says what to write. By then no resource was registered.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from matrix import Setting, as_file, each_once, every, misspelt
from mistakes import CONFIG, FILES, HEAD, RIGHT, STORE
from program_run import DEV, ROOT, Rendered, merged, run_program
from test_wrong_settings import WRONG

import settings
from filewallball.project import Project, load_project, load_stack

MEND = re.compile(r"; (write|leave)|; `fwb|, or leave|did you mean|; take it out|set it with")
SETTINGS = each_once()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("matrix")
    for part in ("Pulumi.yaml", "__main__.py"):
        (folder / part).symlink_to(ROOT / part)
    return load_project(folder)


def read_and_run(project: Project, into: Rendered) -> None:
    config = load_stack(project, "test")
    run_program(dict(config.values), secret=config.secret_keys, into=into)


def refused(project: Project, text: str | bytes) -> list[str]:
    """The message of a stack that must be refused, line by line."""
    rendered = Rendered()
    (project.root / "Pulumi.test.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(Exception, match=r"Pulumi\.test\.yaml") as raised:
        read_and_run(project, rendered)
    assert getattr(raised.value, "exit_code", None) == 2, raised.value
    assert rendered.resources == []
    assert "Traceback" not in str(raised.value)
    assert "Undefined" not in str(raised.value)
    return str(raised.value).splitlines()


def taken(project: Project, text: str | bytes) -> settings.Settings:
    (project.root / "Pulumi.test.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    config = load_stack(project, "test")
    return settings.load(config.values, "test", config.secret_keys)


def is_shown(value: Any, line: str) -> bool:
    """Whether the line quotes what was given, up to where that is cut. A scalar may be a text to Pulumi."""
    text = json.dumps(value, ensure_ascii=False)
    forms = (
        text,
        json.dumps(text, ensure_ascii=False),
        str(value),
        json.dumps(str(value), ensure_ascii=False),
    )
    return any(f" = {form[:60]}" in line for form in forms)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda each: each.path)
def test_a_setting_takes_no_wrong_value(setting: Setting, project: Project) -> None:
    for value in setting.wrong():
        lines = refused(project, as_file(setting.stack(value)))[1:]
        told = [line for line in lines if re.match(rf"  (filewallball:)?{re.escape(setting.path)}\b", line)]
        assert told, (value, lines)
        for line in told:
            assert MEND.search(line) or MEND.search(lines[-1]), line
        given = "" if value is None and setting.top else value
        inner = (
            [*given, *given.values()] if isinstance(given, dict) else given if isinstance(given, list) else []
        )
        assert any(is_shown(each, line) for line in told for each in (given, *inner)), (value, told)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda each: each.path)
def test_a_misspelt_key_is_answered_with_the_right_one(setting: Setting) -> None:
    above, dot, name = setting.path.rpartition(".")
    for key in misspelt(name):
        beside = Setting(f"{above}{dot}{key}", setting.field)
        with pytest.raises(settings.SettingsError) as raised:
            settings.load(beside.stack("x"), "test")
        [line] = [line for line in str(raised.value).splitlines() if line.startswith(f"  {beside.path} = ")]
        assert f"did you mean {name}?" in line


@pytest.mark.parametrize("setting", list(every()), ids=lambda each: each.path)
def test_right_values_are_taken(setting: Setting, project: Project) -> None:
    for value in setting.right():
        assert taken(project, as_file(setting.stack(value)))


def file_of(line: str) -> str:
    """A stack's file with this line; what it sets isn't set again."""
    key = line.partition(":")[0]
    whole = line if re.match("FileWallBall:|filewalball:", line) else f"filewallball:{line}"
    rest = [each for each in (HEAD + STORE).splitlines() if not each.startswith(f"  filewallball:{key}:")]
    return "\n".join([*rest, f"  {whole}", ""])


@pytest.mark.parametrize(("line", "path", "part"), CONFIG)
def test_what_people_get_wrong_is_told_with_its_path_and_what_to_write(
    line: str, path: str, part: str, project: Project
) -> None:
    lines = refused(project, file_of(line))[1:]
    told = [each for each in lines if re.match(rf"  {re.escape(path)}( = |: )", each)]
    assert any(part in each for each in told), lines
    assert all(MEND.search(each) for each in told), lines
    assert "hush" not in str(lines).lower()


@pytest.mark.parametrize(("change", "path", "part"), WRONG)
def test_what_does_not_fit_together_registers_nothing_either(
    change: dict[str, Any], path: str, part: str, project: Project
) -> None:
    lines = refused(project, as_file(merged(DEV, change)))
    assert any(f"{path} = " in line for line in lines), (part, lines)


@pytest.mark.parametrize(("text", "part"), FILES)
def test_files_that_cannot_be_read_are_told_with_the_line(text: str, part: str, project: Project) -> None:
    assert part in " ".join(refused(project, text))


@pytest.mark.parametrize("what", RIGHT)
def test_what_is_only_written_in_another_way_is_taken(what: str, project: Project) -> None:
    assert taken(project, RIGHT[what]).backup.store.in_cluster


def test_there_are_many_of_them() -> None:
    generated = sum(len(list(setting.wrong())) for setting in SETTINGS)
    assert (generated > 700, len(CONFIG) + len(FILES) > 120) == (True, True)
