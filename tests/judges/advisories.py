"""The Go team's list of known vulnerabilities, from its module golang.org/x/vulndb, as govulncheck reads it.

https://go.dev/doc/security/vuln/database
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from filewallball.errors import UserError
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain.golang import find_go

HERE = Path(__file__).parent / "vulnerabilities"
MODULE = "golang.org/x/vulndb"
NEEDED = (1, 25)


def download(*, online: bool = True) -> Path:
    """The folder with a file for each vulnerability. Raises UserError where it can't be had."""
    go = find_go(NEEDED, Progress())
    environment = go.environment() | ({} if online else {"GOPROXY": "off"})
    call = [str(go.path), "mod", "download", "-json", MODULE]
    done = subprocess.run(call, cwd=HERE, env=environment, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise UserError(
            f"The list of vulnerabilities could not be downloaded: {(done.stderr or done.stdout)[-1000:]}",
            "See that the Go module proxy can be reached (`go env GOPROXY`), and run the command again.",
        )
    return Path(json.loads(done.stdout)["Dir"]) / "data" / "osv"


def write(files: Iterable[Path], folder: Path) -> str:
    """Make a database of these files in an empty folder; its address."""
    (folder / "ID").mkdir()
    (folder / "index").mkdir()
    modules: dict[str, dict[str, str]] = defaultdict(dict)
    newest = ""
    for file in files:
        entry: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        (folder / "ID" / f"{entry['id']}.json").symlink_to(file)
        newest = max(newest, entry["modified"])
        for affected in entry["affected"]:
            modules[affected["package"]["name"]][entry["id"]] = entry["modified"]
    index = [
        {"path": path, "vulns": [{"id": id_, "modified": when} for id_, when in found.items()]}
        for path, found in modules.items()
    ]
    (folder / "index" / "modules.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "index" / "db.json").write_text(json.dumps({"modified": newest}), encoding="utf-8")
    return folder.as_uri()
