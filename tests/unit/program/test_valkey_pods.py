"""The session set's pods: what each container is given, and what makes it start anew."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from program_run import DEV, ROOT, Rendered, merged
from rendered_set import SETS, container, environment, pod

from components import images

Render = Callable[..., Rendered]


def test_the_containers_know_what_the_scripts_need(dev: Rendered) -> None:
    common = {"POD_NAME", "FWB_MEMBERS", "FWB_SENTINELS", "FWB_QUORUM", "FWB_MASTER_NAME"}
    found = {name: environment(container(dev, name)) for name in ("valkey", "agent", "sentinel")}
    assert set(found["valkey"]) == common
    assert set(found["agent"]) == common | {"HOME", "FWB_MAX_CONNECTIONS"}
    assert set(found["sentinel"]) == common | {"FWB_DOWN_AFTER_MS", "FWB_FAILOVER_TIMEOUT_MS"}
    assert found["sentinel"]["POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert found["sentinel"]["FWB_QUORUM"] == "3"
    for name in SETS:
        assert pod(dev, name)["spec"]["enableServiceLinks"] is True
    for name in found:
        for variable in re.findall(r"FWB_[A-Z_]+", _scripts(name)):
            assert variable in found[name], f"{name} reads {variable}"


def _scripts(container: str) -> str:
    folder = ROOT / "components" / "files" / "valkey"
    used = {"valkey": ["start.sh", "probe.sh", "release.sh"], "sentinel": ["sentinel-start.sh"]}
    return "".join((folder / name).read_text() for name in used.get(container, []))


def test_every_script_that_a_container_runs_is_there(dev: Rendered) -> None:
    files = dev.object("ConfigMap", "valkey-config").inputs["data"]
    said = json.dumps([pod(dev, name) for name in SETS])
    scripts = set(re.findall(r"/etc/filewallball/([\w-]+\.sh)", said))
    assert scripts == {"start.sh", "probe.sh", "release.sh", "sentinel-start.sh", "sentinel-probe.sh"}
    assert scripts <= set(files)


def test_each_container_gets_only_the_passwords_that_it_needs(dev: Rendered) -> None:
    keys = set(dev.object("Secret", "valkey-credentials").inputs["data"])
    assert len(keys) == 8
    mounted: dict[str, set[str]] = {}
    for name in SETS:
        spec = pod(dev, name)["spec"]
        for each in spec["containers"]:
            inside = {mount["name"]: mount["mountPath"] for mount in each["volumeMounts"]}
            for volume in spec["volumes"]:
                if "secret" in volume and inside.get(volume["name"]) == "/secrets/valkey-credentials":
                    items = volume["secret"].get("items", [{"key": key} for key in keys])
                    found = {item["key"] for item in items}
                    mounted[each["name"]] = {key.removesuffix("-password") for key in found & keys}
                    if "items" in volume["secret"]:
                        # What the Secret has only while passwords change; a pod must start without it, too.
                        assert found - keys == {f"{key}-other" for key in found & keys}
                        assert volume["secret"]["optional"]
    assert mounted == {
        "valkey": {"app", "checks", "backup", "replica", "watch", "agent"},
        "agent": {key.removesuffix("-password") for key in keys},  # it gives the users new ones
        "sentinel": {"sentinel", "checks", "peer", "watch"},
    }


def test_only_what_must_be_written_can_be(dev: Rendered) -> None:
    written = {}
    for name in ("valkey", "agent", "sentinel"):
        mounts = container(dev, name)["volumeMounts"]
        written[name] = {mount["mountPath"] for mount in mounts if not mount.get("readOnly")}
    assert written["valkey"] == written["sentinel"] == {"/data", "/run/valkey", "/tmp"}
    assert written["agent"] == {"/run/valkey", "/tmp"}
    run = next(each for each in pod(dev, "valkey")["spec"]["volumes"] if each["name"] == "run")
    assert run["emptyDir"] == {"sizeLimit": "1Mi", "medium": "Memory"}


def test_a_stop_waits_for_the_handover_and_readiness_is_the_agents_to_say(dev: Rendered) -> None:
    server, agent = container(dev, "valkey"), container(dev, "agent")
    assert server["lifecycle"]["preStop"]["exec"]["command"][-1] == "/etc/filewallball/release.sh"
    assert pod(dev, "valkey")["spec"]["terminationGracePeriodSeconds"] == 60
    assert "readinessProbe" not in server
    assert agent["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "agent"}
    assert agent["livenessProbe"]["httpGet"] == {"path": "/alive", "port": "agent"}
    for name in ("valkey", "agent", "sentinel"):
        assert {"startupProbe", "livenessProbe"} <= set(container(dev, name))


def test_settings_reach_the_files(render: Render) -> None:
    change = {
        "maxmemory": "128mb",
        "logLevel": "verbose",
        "appendOnly": True,
        "minReplicasMaxLag": 7,
        "downAfterMs": 700,
        "failoverTimeoutMs": 4000,
        "quorum": 4,
    }
    rendered = render(merged(DEV, {"valkey": change}))
    files = rendered.object("ConfigMap", "valkey-config").inputs["data"]
    lines = set(files["valkey.conf"].splitlines())
    assert {"maxmemory 128mb", "loglevel verbose", "appendonly yes", "min-replicas-max-lag 7"} <= lines
    assert "loglevel verbose" in files["sentinel.conf"].splitlines()
    assert not re.search(r"\$\{", files["valkey.conf"] + files["sentinel.conf"])
    found = environment(container(rendered, "sentinel"))
    assert (found["FWB_DOWN_AFTER_MS"], found["FWB_FAILOVER_TIMEOUT_MS"]) == ("700", "4000")
    assert found["FWB_QUORUM"] == "4"


def test_failover_times_concern_the_sentinels_alone(render: Render, dev: Rendered) -> None:
    changed = render(merged(DEV, {"valkey": {"downAfterMs": 700, "failoverTimeoutMs": 4000}}))
    assert environment(container(changed, "sentinel")) != environment(container(dev, "sentinel"))
    assert pod(changed, "valkey")["spec"] == pod(dev, "valkey")["spec"]


def test_the_set_has_what_the_requirements_ask(dev: Rendered) -> None:
    lines = dev.object("ConfigMap", "valkey-config").inputs["data"]["valkey.conf"].splitlines()
    asked = {
        "maxmemory 256mb",
        "maxmemory-policy allkeys-lru",
        "tcp-keepalive 300",
        "appendonly no",
        "min-replicas-to-write 1",
    }
    assert asked <= set(lines)
    [save] = [line.split()[1::2] for line in lines if line.startswith("save ")]
    assert save == ["900", "300", "60"]
    limits = {line.split()[1] for line in lines if line.startswith("client-output-buffer-limit ")}
    assert limits == {"normal", "pubsub", "replica"}
    assert environment(container(dev, "sentinel"))["FWB_MASTER_NAME"] == "valkey-session-master"


def changed(before: Rendered, after: Rendered) -> set[str]:
    return {name for name in SETS if pod(before, name) != pod(after, name)}


@pytest.mark.parametrize(
    ("change", "rolled"),
    [
        ({"maxmemory": "128mb"}, {"valkey"}),
        ({"failoverTimeoutMs": 6000}, {"valkey-sentinel"}),
        ({"logLevel": "verbose"}, set(SETS)),
        ({"replicas": 3}, set(SETS)),
        ({"sentinels": 7}, set(SETS)),
        ({"image": "docker.io/valkey/valkey:8.1.1"}, set(SETS)),
        ({"agentResources": {"memoryLimit": "256Mi"}}, {"valkey"}),
        ({"readsFromReplicas": False}, set()),
        ({"storage": {"size": "2Gi"}}, set()),
        ({"snapshots": {"maxAgeHours": 9}}, set()),
    ],
)
def test_a_change_rolls_those_who_read_it_and_nobody_else(
    dev: Rendered, render: Render, change: dict[str, Any], rolled: set[str]
) -> None:
    assert changed(dev, render(merged(DEV, {"valkey": change}))) == rolled


def test_what_all_scripts_share_rolls_both_sets() -> None:
    from components import valkey

    ours, theirs = valkey._split({"common.sh": "", "start.sh": "", "sentinel-start.sh": ""})
    assert set(ours) == {"common.sh", "start.sh"}
    assert set(theirs) == {"common.sh", "sentinel-start.sh"}


def agents_image(rendered: Rendered) -> str:
    return container(rendered, "agent")["image"]


def test_the_agents_have_an_image_of_their_own(dev: Rendered, prd: Rendered) -> None:
    assert re.fullmatch(r"filewallball/agent:[0-9a-f]{12}", agents_image(dev))
    assert agents_image(prd).startswith("registry.example.org/filewallball/agent:1@")


def test_where_only_the_toolkit_is_named_the_agents_run_in_it(render: Render) -> None:
    assert agents_image(render(merged(DEV, {"toolkit": {"image": "r.test/toolkit:1"}}))) == "r.test/toolkit:1"


@pytest.mark.parametrize(
    "changed",
    [
        "filewallball/checks/suites/redis_cache.py",
        "filewallball/drill/load/round.py",
        "filewallball/backup/dump.py",
        "filewallball/kube/client.py",
        "filewallball/snapshots/restore.py",
        "facts/checks/valkey.py",
        "images/toolkit/requirements.txt",
    ],
)
def test_a_change_of_what_runs_elsewhere_leaves_the_session_servers_alone(
    dev: Rendered, render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    for name in ("facts", "filewallball", "images"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / changed).open("a", encoding="utf-8").write("# another hint\n")
    monkeypatch.setattr(images, "reference", partial(images.reference, root=tmp_path))

    after = render(DEV)
    for name in SETS:
        assert after.object("StatefulSet", name).inputs == dev.object("StatefulSet", name).inputs
    checks = [each.object("PodTemplate", "filewallball-checks").inputs for each in (dev, after)]
    assert checks[0] != checks[1], "the change is in no image, so this proves nothing"
