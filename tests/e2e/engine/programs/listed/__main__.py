"""Declares what resources.json lists: each test writes the file that it needs."""

import json
from pathlib import Path

import pulumi

config = pulumi.Config()
entries = json.loads(Path("resources.json").read_text(encoding="utf-8"))


class Provider(pulumi.ProviderResource):
    def __init__(self, name):
        super().__init__(
            "kubernetes",
            name,
            {"kubeconfig": config.require("kubeconfig"), "context": config.require("context")},
        )


class Group(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("listed:index:Group", name)


def token(manifest):
    version = manifest["apiVersion"]
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{manifest['kind']}"


def properties(entry):
    manifest = dict(entry["object"])
    for key in entry.get("secret", []):
        manifest[key] = pulumi.Output.secret(manifest[key])
    if "copies" in entry:  # a property that comes from another resource's output
        source, path = entry["copies"]
        manifest["data"] = {"copied": made[source].uid if path == "uid" else ""}
    return manifest


class Object(pulumi.CustomResource):
    def __init__(self, name, entry, opts):
        super().__init__(token(entry["object"]), name, properties(entry), opts)

    @property
    def uid(self):
        return self.metadata.apply(lambda meta: meta.get("uid", "not known yet"))


def options(entry):
    timeouts = entry.get("timeouts")
    return pulumi.ResourceOptions(
        provider=provider,
        parent=groups.get(entry.get("group")),
        protect=entry.get("protect"),
        depends_on=[made[name] for name in entry.get("dependsOn", [])],
        ignore_changes=entry.get("ignoreChanges"),
        replace_on_changes=entry.get("replaceOnChanges"),
        retain_on_delete=entry.get("retainOnDelete"),
        delete_before_replace=entry.get("deleteBeforeReplace"),
        aliases=[pulumi.Alias(name=name) for name in entry.get("aliases", [])],
        custom_timeouts=pulumi.CustomTimeouts(**timeouts) if timeouts else None,
    )


provider = Provider("cluster")
made = {}
groups = {name: Group(name) for name in sorted({entry["group"] for entry in entries if "group" in entry})}
for entry in entries:
    name = entry.get("name") or entry["object"]["metadata"]["name"]
    made[name] = Object(name, entry, options(entry))
    if "export" in entry:
        pulumi.export(entry["export"], json.dumps(entry["object"].get("data")))
    if "exportSecret" in entry:
        pulumi.export(entry["exportSecret"], pulumi.Output.secret(entry["object"]["data"]))
