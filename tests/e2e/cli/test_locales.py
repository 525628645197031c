"""The command line in locales that can't write what it prints, nor read what it is given, as UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCALES = {
    "C": ("", "", "ANSI_X3.4-1968"),
    "ko_KR.euckr": ("ko_KR", "EUC-KR", "EUC-KR"),
    "en_US.iso88591": ("en_US", "ISO-8859-1", "ISO-8859-1"),
}
STACK = """# 개발용: 세션 서버를 모두 이 기계에 둔다 →
config:
  filewallball:cluster: {sandbox: nowhere}
  filewallball:backup: {store: {inCluster: true}}
  filewallball:checks: {serviceAccountAnnotations: {example.org/owner: 김철수 — “운영” é}}
"""
WRONG = STACK + "  filewallball:timeZone: 아시아/서울\n"
# Runs each command as the console script does, in one process to be cheap; arguments come as UTF-8 bytes.
DRIVER = """
import json, locale, os, sys
from filewallball import cli
locale.setlocale(locale.LC_ALL, "")
codes = [locale.nl_langinfo(locale.CODESET), sys.flags.utf8_mode, sys.stdout.encoding]
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["fwb", *[os.fsdecode(each.encode()) for each in arguments]]
    try:
        cli.main()
    except SystemExit as left:
        codes.append(left.code or 0)
with open("codes.json", "w", encoding="utf-8") as file:
    json.dump(codes, file)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LOCPATH with the locales."""
    folder = tmp_path_factory.mktemp("locales")
    for name, (source, charmap, _) in LOCALES.items():
        if source:
            command = ["localedef", "--no-archive", "-i", source, "-f", charmap, str(folder / name)]
            subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize(
    ("name", "io"),
    [
        ("C", ""),
        ("ko_KR.euckr", ""),
        pytest.param("en_US.iso88591", "", marks=pytest.mark.nightly),
        pytest.param("C", "ascii:strict", marks=pytest.mark.nightly),
    ],
)
def test_text_is_read_and_written_in_any_locale(name: str, io: str, made: Path, tmp_path: Path) -> None:
    for part in ("Pulumi.yaml", "__main__.py", "settings.py", "components", "images", "filewallball"):
        (tmp_path / part).symlink_to(ROOT / part)
    (tmp_path / "Pulumi.dev.yaml").write_text(STACK, encoding="utf-8")
    (tmp_path / "Pulumi.prd.yaml").write_text(WRONG, encoding="utf-8")
    commands = [
        ["--help"],
        ["render", "dev"],
        ["render", "dev", "--json", "--yaml", "나온 것"],
        ["render", "prd"],
        ["check", "prd"],
        ["render", "없는것"],
        ["sandbox", "status", "--name", "세션"],
        ["check", "dev", "레디스"],
        ["render", "--없는"],
    ]
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHON"))
    }
    environment |= {"LC_ALL": name, "LOCPATH": str(made), "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment |= {"PYTHONPATH": str(ROOT), "FWB_STATE": str(tmp_path / "state")}
    environment |= {"PYTHONIOENCODING": io} if io else {}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(commands)],
        cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    told = done.stderr.decode("ascii", "replace")
    assert done.returncode == 0, told
    charset, utf8_mode, encoding, *codes = json.loads((tmp_path / "codes.json").read_text(encoding="utf-8"))
    assert (charset, utf8_mode) == (LOCALES[name][2], 0), "the locale is in force"
    assert encoding.lower() != "utf-8"
    assert codes == [0, 0, 0, 2, 2, 2, 2, 2, 2], told
    assert "Traceback" not in told
    assert "UnicodeEncodeError" not in told
    [shown, *_] = [line for line in done.stderr.decode(encoding).splitlines() if "timeZone" in line]
    expected = '"아시아/서울"' if charset == "EUC-KR" else r"\uc544\uc2dc\uc544/\uc11c\uc6b8"
    assert expected in shown
    written = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "나온 것").iterdir())
    assert "김철수 — “운영” é" in written
