"""The snapshots' CronJob as declared: the set's own image beside the job, and no right too many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from program_run import DEV, PRD, Rendered, merged

from facts.snapshots import CRON_JOB, NAME
from filewallball.errors import ConfigError
from filewallball.snapshots import settings

Render = Callable[..., Rendered]


def spec(rendered: Rendered) -> dict[str, Any]:
    return rendered.object("CronJob", CRON_JOB).inputs["spec"]


def pod(rendered: Rendered) -> dict[str, Any]:
    return spec(rendered)["jobTemplate"]["spec"]["template"]["spec"]


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in container["env"]}


def test_the_throwaway_server_is_of_the_sets_image_and_ends_with_the_job(
    dev: Rendered, prd: Rendered
) -> None:
    for rendered in (dev, prd):
        found = pod(rendered)
        [server] = found["initContainers"]
        members = rendered.object("StatefulSet", "valkey").inputs["spec"]["template"]["spec"]["containers"]
        same = next(one for one in members if one["name"] == "valkey")
        assert (server["image"], server["resources"]) == (same["image"], same["resources"])
        assert server["restartPolicy"] == "Always", "an ordinary one would be waited for, and never end"
        assert len(found["containers"]) == 1, "the job ends when its one container does"


def test_only_the_job_sees_secrets_and_only_those_it_needs(dev: Rendered) -> None:
    found = pod(dev)
    [server], [job] = found["initContainers"], found["containers"]
    assert {mount["name"] for mount in server["volumeMounts"]} == {"work", "config"}
    assert {mount["name"] for mount in job["volumeMounts"]} == {"work", "credentials", "store"}
    volumes = {volume["name"]: volume for volume in found["volumes"]}
    keys = {item["key"] for item in volumes["credentials"]["secret"]["items"]}
    assert keys == {"backup-password", "sentinel-password"}
    assert found["automountServiceAccountToken"] is False
    assert found["serviceAccountName"] == NAME


def test_the_job_is_told_all_that_its_settings_ask_for(render: Render) -> None:
    rendered = render(merged(DEV, {"valkey": {"sentinels": 3, "snapshots": {"keep": 5, "workSize": "3Gi"}}}))
    found = environment(pod(rendered)["containers"][0])
    assert found["FWB_VALKEY_SENTINELS"].split(",") == [f"valkey-sentinel-{n}:26379" for n in range(3)]
    assert (found["FWB_SNAPSHOTS_KEEP"], found["FWB_WORK_SIZE"]) == ("5", "3Gi")
    volumes = {volume["name"]: volume for volume in pod(rendered)["volumes"]}
    assert volumes["work"]["emptyDir"] == {"sizeLimit": "3Gi"}

    class Asked(dict[str, str]):
        names: ClassVar[set[str]] = set()

        def get(self, name: str, default: Any = None) -> Any:
            self.names.add(name)
            return super().get(name, default)

    with pytest.raises(ConfigError) as caught:
        settings.from_environment(asked := Asked(found))
    # Nothing is missing but the files that are in the pod alone.
    assert "not set" not in caught.value.message
    assert "cannot read /secrets/valkey-credentials/backup-password" in caught.value.message
    assert set(found) - asked.names == {"HOME"}


def test_a_store_elsewhere(prd: Rendered, render: Render) -> None:
    found = environment(pod(prd)["containers"][0])
    assert "FWB_STORE_ENDPOINT" not in found
    assert "FWB_STORE_ACCESS_KEY_FILE" not in found
    assert found["FWB_STORE_PREFIX"] == "valkey/"
    rendered = render(
        merged(PRD, {
            "valkey": {"snapshots": {"serviceAccountAnnotations": {"role": "writer"}}},
            "backup": {"store": {"prefix": "prd/", "credentialsSecret": "keys"}},
        })
    )  # fmt: skip
    assert rendered.object("ServiceAccount", NAME).inputs["metadata"]["annotations"] == {"role": "writer"}
    found = environment(pod(rendered)["containers"][0])
    assert found["FWB_STORE_PREFIX"] == "prd/valkey/"
    assert found["FWB_STORE_ACCESS_KEY_FILE"] == "/secrets/keys/access-key"


def test_one_at_a_time_on_time_and_not_for_ever(dev: Rendered, render: Render) -> None:
    found = spec(dev)
    assert (found["schedule"], found["timeZone"]) == ("15 * * * *", "Asia/Seoul")
    assert found["concurrencyPolicy"] == "Forbid"
    changed = spec(
        render(
            merged(
                DEV,
                {"valkey": {"snapshots": {"schedule": "0 4 * * *", "maxAgeHours": 30, "deadlineMinutes": 7}}},
            )
        )
    )
    assert changed["schedule"] == "0 4 * * *"
    assert changed["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 420


def test_the_throwaway_server_can_be_reached_by_nobody_and_keeps_every_key(dev: Rendered) -> None:
    config = dev.object("ConfigMap", NAME).inputs["data"]["throwaway.conf"].splitlines()
    for line in ("port 0", 'save ""', "import-mode yes", "maxmemory 0", "rdbchecksum yes"):
        assert line in config
