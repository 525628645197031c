"""The two stacks as `fwb render` shows them: dev as committed, prd with every value set."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from filewallball.engine import commands
from tests.judges.terraform import translated
from tests.unit.program.filled_prd import filled, link_program, write
from tests.unit.program.program_run import ROOT

STACKS = ("dev", "prd")
TERRAFORM = "aws.tf.json"


@dataclass(frozen=True)
class Stacks:
    """A folder with a folder of YAML files for each stack, and the AWS resources of prd."""

    folder: Path

    def files(self, stack: str) -> list[Path]:
        return sorted((self.folder / stack).glob("*.yaml"))

    def objects(self, stack: str) -> list[dict[str, Any]]:
        return [yaml.safe_load(file.read_text(encoding="utf-8")) for file in self.files(stack)]

    @property
    def aws(self) -> list[dict[str, Any]]:
        """As `fwb render --json` gives them, those of the AWS provider and what configures it."""
        return json.loads((self.folder / "aws.json").read_text(encoding="utf-8"))


def render(project: Path, folder: Path) -> None:
    """Render both into the folder, through a project made for it."""
    link_program(project)
    (project / "Pulumi.dev.yaml").symlink_to(ROOT / "Pulumi.dev.yaml")
    write(project, filled())
    shown = ""
    for stack in STACKS:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            commands.render(project, stack, folder / stack, as_json=True)
        shown = said.getvalue()
    resources = json.loads(shown)["resources"]
    aws = [each for each in resources if each["type"].startswith(("aws:", "pulumi:providers:aws"))]
    (folder / "aws.json").write_text(json.dumps(aws), encoding="utf-8")


def write_terraform(resources: list[dict[str, Any]], folder: Path) -> None:
    """The resources as Terraform's JSON, in a folder of their own."""
    folder.mkdir(parents=True)
    protected = [{**each, "protect": each["options"]["protect"]} for each in resources]
    text = json.dumps(translated(protected), indent=1)
    (folder / TERRAFORM).write_text(text, encoding="utf-8")
