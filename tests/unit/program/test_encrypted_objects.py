"""What encrypted connections add to a stack, and that nothing else changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from program_run import DEV, PRD, Registered, Rendered, run_program

from components import kube
from components.secured import secured
from facts import tls

ON: dict[str, Any] = {**DEV, "tls": {"enabled": True}}
SERVERS = {
    "mariadb": ("StatefulSet", "mariadb"),
    "redis": ("Deployment", "redis"),
    "valkey": ("StatefulSet", "valkey"),
    "valkey-sentinel": ("StatefulSet", "valkey-sentinel"),
}


@pytest.fixture(scope="module")
def on() -> Rendered:
    return run_program(ON)


def named(found: Registered) -> tuple[str, str]:
    return found.kind, found.inputs["metadata"]["name"]


def pod(found: Rendered, server: str) -> dict[str, Any]:
    return found.object(*SERVERS[server]).inputs["spec"]["template"]["spec"]


def test_a_stack_without_it_has_none_of_it() -> None:
    for values in (DEV, PRD, {**DEV, "tls": {"enabled": False}}):
        # Random passwords may have any letters.
        written = [each for each in run_program(values).objects if each.kind != "Secret"]
        text = json.dumps([each.inputs for each in written])
        assert "tls" not in text.lower()
        assert "filewallball-ca" not in text
        assert "certificates" not in text


def test_beside_its_own_objects_it_changes_those_alone_that_need_it(on: Rendered, dev: Rendered) -> None:
    without = {named(each): each.inputs for each in dev.objects if each.kind != "Job"}
    with_it = {named(each): each.inputs for each in on.objects if each.kind != "Job"}
    secrets = {tls.AUTHORITY, *(tls.secret_of(server) for server in SERVERS)}
    assert with_it.keys() - without.keys() == {
        *(("Secret", name) for name in secrets),
        ("ConfigMap", tls.AUTHORITY),
        ("CronJob", tls.CRON_JOB),
        ("NetworkPolicy", "certificates-clients"),
        *((kind, tls.NAME) for kind in ("ServiceAccount", "Role", "RoleBinding")),
    }
    assert without.keys() <= with_it.keys()
    kept = {key for key in without if key[0] != "Secret" and without[key] != with_it[key]}
    assert kept == {
        *SERVERS.values(),
        ("ConfigMap", "mariadb-config"),
        ("ConfigMap", "redis-advanced-configmap"),
        ("ConfigMap", "valkey-config"),
        ("ConfigMap", "filewallball-checks"),
        ("PodTemplate", "filewallball-checks"),
        ("PodTemplate", "filewallball-restore"),
        ("CronJob", "filewallball-backup-cronjob"),
        ("Deployment", "filewallball-binlogs"),
        ("CronJob", "filewallball-valkey-snapshot-cronjob"),
    }


def test_the_pods_of_the_session_servers_say_that_they_are_encrypted(on: Rendered, dev: Rendered) -> None:
    def said(found: Rendered) -> dict[str, str | None]:
        templates = {server: found.object(*SERVERS[server]).inputs["spec"]["template"] for server in SERVERS}
        return {
            server: template["metadata"]["annotations"].get(tls.CONNECTIONS)
            for server, template in templates.items()
        }

    # The others roll: their pods have nothing to say to each other.
    sessions = dict.fromkeys(("valkey", "valkey-sentinel"), tls.ENCRYPTED)
    assert said(on) == {"mariadb": None, "redis": None} | sessions
    # On another annotation: both engines tell a change by its path, and an absent map has another one.
    assert set(said(dev).values()) == {None}
    for server in sessions:
        assert dev.object(*SERVERS[server]).inputs["spec"]["template"]["metadata"]["annotations"]


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_waits_for_the_job_that_makes_its_certificate(on: Rendered, server: str) -> None:
    [job] = [
        each
        for each in on.objects
        if each.kind == "Job" and named(each)[1].rpartition("-")[0] == f"{tls.NAME}-{server}"
    ]
    assert job.urn in on.object(*SERVERS[server]).depends_on
    [container] = job.inputs["spec"]["template"]["spec"]["containers"]
    [wanted] = tls.read(container["env"][0]["value"])
    assert wanted.name == server
    for service in wanted.services:
        assert on.object("Service", service).urn in job.depends_on
    for kind, name in (("Secret", wanted.secret), ("Secret", tls.AUTHORITY), ("RoleBinding", tls.NAME)):
        assert on.object(kind, name).urn in job.depends_on


def test_the_program_never_says_what_a_secret_of_them_holds(on: Rendered) -> None:
    for server in SERVERS:
        secret = on.object("Secret", tls.secret_of(server))
        assert "data" not in secret.inputs
        assert secret.ignore_changes == ["data"]
        assert {"data", "stringData"} <= set(secret.secret_outputs)


def test_who_makes_them_may_touch_their_objects_alone(on: Rendered) -> None:
    rules = on.object("Role", tls.NAME).inputs["rules"]
    assert all(rule["resourceNames"] for rule in rules)
    assert {rule["resources"][0]: rule["verbs"] for rule in rules} == {
        "secrets": ["get", "update"],
        "configmaps": ["get", "update"],
        "services": ["get"],
    }
    [services] = [rule["resourceNames"] for rule in rules if rule["resources"] == ["services"]]
    assert set(services) == {
        named(each)[1] for each in on.objects if each.kind == "Service" and named(each)[1] != "store"
    }


def test_clients_get_the_authority_s_certificate_and_no_key(on: Rendered) -> None:
    keys = {f"{server}-tls" for server in SERVERS} | {tls.AUTHORITY}
    for name, template in on.pod_templates():
        mounted = {
            volume["secret"]["secretName"]
            for volume in template["spec"]["volumes"]
            if "secret" in volume and volume["secret"]["secretName"] in keys
        }
        own = {tls.secret_of(server) for server, (_, of) in SERVERS.items() if template == _template(on, of)}
        assert mounted == own, name


def _template(found: Rendered, name: str) -> dict[str, Any]:
    return next(
        each.inputs["spec"]["template"] for each in found.objects if named(each) in SERVERS.values()
        and named(each)[1] == name
    )  # fmt: skip


def test_users_are_told_how_to_connect(on: Rendered) -> None:
    connect = on.outputs["connect"]
    assert "--tls --cacert /tls/redis/ca.crt" in connect["redis"]
    assert "--tls --cacert /tls/valkey/ca.crt" in connect["valkey"]
    assert "--tls --cacert /tls/valkey-sentinel/ca.crt" in connect["valkey-sentinel"]


def test_a_file_that_has_lost_the_words_to_replace_is_an_error_at_once() -> None:
    files = kube.files("redis")
    assert "--tls" in secured("redis", files)["probe.sh"]
    files["probe.sh"] = files["probe.sh"].replace("redis-cli -h", "redis-cli -u")
    with pytest.raises(ValueError, match=r"redis/probe\.sh"):
        secured("redis", files)


def test_a_change_of_the_set_makes_a_new_certificate(on: Rendered) -> None:
    more = run_program({**ON, "valkey": {"sentinels": 7}})

    def jobs(found: Rendered) -> set[str]:
        return {
            named(each)[1] for each in found.objects if each.kind == "Job" and each.name.startswith("cert")
        }

    changed = {name.rpartition("-")[0].removeprefix(f"{tls.NAME}-") for name in jobs(more) - jobs(on)}
    assert changed == {"valkey-sentinel"}


def test_an_issuer_of_cert_manager_takes_the_authority_s_place() -> None:
    found = run_program({**ON, "tls": {"enabled": True, "certManager": {"issuer": "company"}}})
    names = {named(each) for each in found.objects}
    assert ("Secret", tls.AUTHORITY) not in names
    assert ("ConfigMap", tls.AUTHORITY) in names
    rules = found.object("Role", tls.NAME).inputs["rules"]
    requests = [rule for rule in rules if rule["resources"] == ["certificaterequests"]]
    assert [(rule["verbs"], rule.get("resourceNames")) for rule in requests] == [
        (["create"], None),
        (["get", "delete"], [tls.request_of(server) for server in SERVERS]),
    ]
    for name, template in found.pod_templates():
        [container, *_] = template["spec"]["containers"]
        told = {each["name"]: each.get("value") for each in container["env"]}
        assert (told.get("FWB_CERTIFICATES_ISSUER") == "Issuer/company") == name.startswith("certificates-")
