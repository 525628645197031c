"""A store of another maker than AWS: all pods that use it get the same, and the jobs can take turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyrage
import pytest
from program_run import DEV, PRD, Rendered, merged

import settings
from facts import backup, binlogs, snapshots, store
from filewallball.backup.settings import store_from_environment
from filewallball.errors import ConfigError

OUTSIDE = {
    "endpoint": "https://s3.example.org/base",
    "credentialsSecret": "keys",
    "sessionTokenKey": "token",
    "ca": {"configMap": "authority", "key": "root.pem"},
    "addressing": "virtual",
}
Render = Callable[..., Rendered]


def with_store(**more: Any) -> dict[str, Any]:
    return merged(PRD, {"backup": {"store": {**OUTSIDE, **more}}})


def pods(rendered: Rendered) -> dict[str, dict[str, Any]]:
    jobs = {
        name: rendered.object("CronJob", name).inputs["spec"]["jobTemplate"]["spec"]["template"]
        for name in (backup.CRON_JOB, snapshots.CRON_JOB)
    }
    return jobs | {"checks": rendered.object("PodTemplate", "filewallball-checks").inputs["template"]}


def test_backup_snapshots_and_checks_reach_it_alike(render: Render) -> None:
    rendered = render(with_store())
    for name, template in pods(rendered).items():
        volumes = {each["name"]: each for each in template["spec"]["volumes"]}
        assert volumes["store"]["secret"]["secretName"] == "keys", name
        assert volumes["store-ca"]["configMap"]["name"] == "authority", name
        # The user can make both only in a namespace that is there: the first deployment must not wait.
        assert volumes["store"]["secret"]["optional"], name
        assert volumes["store-ca"]["configMap"]["optional"], name
        mounts = {
            each["name"]: each["mountPath"] for each in template["spec"]["containers"][0]["volumeMounts"]
        }
        assert mounts["store-ca"] == store.CA_PATH, name
    for cron in (backup.CRON_JOB, snapshots.CRON_JOB):
        [container] = pods(rendered)[cron]["spec"]["containers"]
        told = {each["name"]: each.get("value") for each in container["env"]}
        assert told[store.Variables.CA_FILE] == f"{store.CA_PATH}/root.pem"
        assert told[store.Variables.SESSION_TOKEN_FILE] == "/secrets/keys/token"
        assert told[store.Variables.ADDRESSING] == "virtual"
        assert told[store.Variables.LEASE] == store.LEASE
    text = rendered.object("ConfigMap", "filewallball-checks").inputs["data"]["checks.json"]
    assert text.count(f"{store.CA_PATH}/root.pem") == 3
    assert text.count("/secrets/keys/token") == 3


def test_the_stacks_own_keys_are_waited_for(render: Render) -> None:
    for name, template in pods(render(DEV)).items():
        volumes = {each["name"]: each for each in template["spec"]["volumes"]}
        assert "optional" not in volumes["store"]["secret"], name


def test_a_secret_may_hold_the_authority(render: Render) -> None:
    rendered = render(with_store(ca={"secret": "authority"}))
    for template in pods(rendered).values():
        [volume] = [each for each in template["spec"]["volumes"] if each["name"] == "store-ca"]
        assert volume["secret"]["secretName"] == "authority"
        assert volume["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]


def test_the_jobs_may_take_one_lease_and_nothing_else(render: Render) -> None:
    rendered = render(with_store())
    rules = rendered.object("Role", store.LEASE).inputs["rules"]
    assert [(rule["resources"], rule.get("resourceNames"), rule["verbs"]) for rule in rules] == [
        (["leases"], None, ["create"]),
        (["leases"], [store.LEASE], ["get", "update", "delete"]),
    ]
    subjects = {each["name"] for each in rendered.object("RoleBinding", store.LEASE).inputs["subjects"]}
    assert subjects == {backup.NAME, snapshots.NAME}
    for cron in (backup.CRON_JOB, snapshots.CRON_JOB):
        template = pods(rendered)[cron]
        assert template["spec"]["automountServiceAccountToken"] is True
        assert template["metadata"]["labels"]["filewallball.io/access-kubernetes"] == "true"


def test_without_need_no_job_has_an_account(dev: Rendered, prd: Rendered) -> None:
    for rendered in (dev, prd):
        assert not [one for one in rendered.objects if store.LEASE in str(one.inputs.get("metadata"))]
        for cron in (backup.CRON_JOB, snapshots.CRON_JOB):
            template = pods(rendered)[cron]
            assert template["spec"]["automountServiceAccountToken"] is False
            assert "filewallball.io/access-kubernetes" not in template["metadata"]["labels"]


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"ca": {}}, "backup.store.ca.configMap", "neither is named"),
        ({"ca": {"configMap": "a", "secret": "b"}}, "backup.store.ca.configMap", "both are named"),
        ({"ca": {"secret": "a", "key": "a/b"}}, "backup.store.ca.key", "not a key"),
        ({"endpoint": "http://s3.example.org"}, "backup.store.ca", "which has no certificate"),
        ({"credentialsSecret": None}, "backup.store.sessionTokenKey", "its Secret is not named"),
        ({"addressing": "dns"}, "backup.store.addressing", "path"),
        ({"endpoint": "s3.example.org"}, "backup.store.endpoint", "not a URL"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes: dict[str, Any], path: str, said: str) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(with_store(**changes), "prd")
    assert path in str(caught.value)
    assert said in str(caught.value)


def test_what_a_pod_is_told_is_what_it_reads(tmp_path: Any) -> None:
    (tmp_path / "key").write_text(" value \r\n")
    names = store.Variables
    environment = {
        names.BUCKET: "b",
        names.ACCESS_KEY_FILE: str(tmp_path / "key"),
        names.SECRET_KEY_FILE: str(tmp_path / "key"),
        names.SESSION_TOKEN_FILE: str(tmp_path / "key"),
        names.CA_FILE: "/ca",
        names.ADDRESSING: "path",
        names.LEASE: "l",
    }
    found = store_from_environment(environment)
    assert (found.session_token, found.ca_file, found.addressing, found.lease) == (
        "value",
        "/ca",
        "path",
        "l",
    )
    assert "value" not in repr(found)
    with pytest.raises(ConfigError, match="is not one of path, virtual"):
        store_from_environment({**environment, names.ADDRESSING: "dns"})


def test_whatever_goes_to_the_store_is_encrypted_for_the_same_keys(render: Render) -> None:
    """Backups, those that a restore makes, and the binary log."""
    keys = [str(pyrage.x25519.Identity.generate().to_public()) for _ in range(2)]
    for recipients in ([], keys):
        rendered = render(
            merged(PRD, {"backup": {"encryption": {"recipients": recipients}}} if recipients else {})
        )
        templates = [
            pods(rendered)[backup.CRON_JOB],
            rendered.object("PodTemplate", "filewallball-restore").inputs["template"],
            rendered.object("Deployment", binlogs.NAME).inputs["spec"]["template"],
        ]
        for template in templates:
            [container] = template["spec"]["containers"]
            told = {each["name"]: each.get("value") for each in container["env"]}
            assert told.get(backup.Variables.RECIPIENTS, "").split() == recipients
