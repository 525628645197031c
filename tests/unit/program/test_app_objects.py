"""The application in a stack: its servers, what they are told, whom they reach, and where its files are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from program_run import AWS, DEV, DIGEST, PRD, PRD_AWS, Rendered, merged, run_program

import settings
from facts import app, mariadb, redis, store, valkey
from facts.app import Variables
from filewallball.app import database

Render = Callable[..., Rendered]
ON: dict[str, Any] = {"app": {"enabled": True, "image": f"registry.example.org/filewallball/app:1{DIGEST}"}}


def with_app(base: dict[str, Any] = DEV, **more: Any) -> dict[str, Any]:
    return merged(merged(base, ON), {"app": more})


@pytest.fixture(scope="module")
def shown() -> Rendered:
    return run_program(with_app())


def template(rendered: Rendered) -> dict[str, Any]:
    return rendered.object("StatefulSet", app.NAME).inputs["spec"]["template"]


def told(rendered: Rendered) -> dict[str, Any]:
    [server] = template(rendered)["spec"]["containers"]
    return {each["name"]: each.get("value") for each in server["env"]}


def test_without_it_a_stack_has_nothing_of_it(dev: Rendered) -> None:
    assert not [each for each in dev.objects if each.inputs["metadata"]["name"].startswith("app")]
    pod = dev.object("Deployment", store.NAME).inputs["spec"]["template"]["spec"]
    assert {"name": "FWB_FILES_BUCKET", "value": ""} in pod["containers"][0]["env"]
    assert app.FILES_CREDENTIALS not in {each.inputs["metadata"]["name"] for each in dev.objects}


@pytest.mark.parametrize("replicas", [1, 4])
def test_each_server_has_a_service_of_its_own(replicas: int) -> None:
    rendered = run_program(with_app(replicas=replicas))
    assert rendered.object("StatefulSet", app.NAME).inputs["spec"]["replicas"] == replicas
    services = {
        each.inputs["metadata"]["name"]: each.inputs["spec"]
        for each in rendered.objects
        if each.kind == "Service" and each.inputs["metadata"]["name"].startswith(f"{app.NAME}-")
    }
    assert set(services) == {f"app-{number}" for number in range(replicas)}
    for name, spec in services.items():
        assert spec["selector"]["statefulset.kubernetes.io/pod-name"] == name
        assert [each["port"] for each in spec["ports"]] == [3000, 3001]
        assert not spec.get("publishNotReadyAddresses"), "a server that drains must be refused at once"


def test_a_rolling_update_takes_one_server_at_a_time_and_lets_requests_end(shown: Rendered) -> None:
    spec = shown.object("StatefulSet", app.NAME).inputs["spec"]
    assert spec["podManagementPolicy"] == "Parallel"
    assert spec["updateStrategy"] == {"type": "RollingUpdate"}
    assert spec["minReadySeconds"] >= 2
    assert template(shown)["spec"]["terminationGracePeriodSeconds"] == 125
    longer = run_program(with_app(stopSeconds=600, drainSeconds=10))
    assert template(longer)["spec"]["terminationGracePeriodSeconds"] == 610
    budget = shown.object("PodDisruptionBudget", app.NAME).inputs["spec"]
    assert budget["maxUnavailable"] == 1
    [server] = template(shown)["spec"]["containers"]
    assert server["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "site"}
    assert server["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "site"}


def test_the_tables_are_brought_up_to_date_before_a_server_starts(shown: Rendered) -> None:
    [migration] = template(shown)["spec"]["initContainers"]
    [server] = template(shown)["spec"]["containers"]
    assert migration["command"] == ["python3", "-m", "filewallball.app", "migrate"]
    assert server["command"] == ["python3", "-m", "filewallball.app", "serve"]
    for part in ("env", "image", "volumeMounts", "resources", "securityContext"):
        assert migration[part] == server[part]


def test_it_is_told_where_everything_is_and_no_password(shown: Rendered) -> None:
    environment = told(shown)
    assert environment[Variables.DATABASE_PORT] == "3306", "the reserve is not for applications"
    assert environment[Variables.DATABASE_USER] == mariadb.user("app")
    assert environment[Variables.CACHE_URL] == "redis://redis:6379/0"
    sentinels = ",".join(f"valkey-sentinel-{number}:26379" for number in range(5))
    assert environment[Variables.SESSIONS_URL] == f"sentinel://{sentinels}/valkey-session-master/0"
    assert environment[Variables.FILES_ENDPOINT] == store.ENDPOINT
    assert environment[Variables.FILES_BUCKET] == "filewallball-files"
    assert environment[Variables.MAX_UPLOAD_BYTES] == str(2 * 2**30)
    assert environment[Variables.SECURE_COOKIE] == "1"
    assert "10.0.0.0/8" in environment[Variables.TRUSTED_PROXIES].split(",")
    [server] = template(shown)["spec"]["containers"]
    named = {each["name"]: each.get("valueFrom") for each in server["env"]}[Variables.NAME]
    assert named == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_it_gets_the_keys_that_it_needs_and_no_others(shown: Rendered) -> None:
    volumes = {each["name"]: each for each in template(shown)["spec"]["volumes"]}
    keys = {
        each["secret"]["secretName"]: [item["key"] for item in each["secret"].get("items", [])]
        for each in volumes.values()
        if "secret" in each
    }
    assert keys == {
        mariadb.CREDENTIALS: ["app-password"],
        redis.CREDENTIALS: ["app-password"],
        valkey.CREDENTIALS: ["app-password", "sentinel-password"],
        app.FILES_CREDENTIALS: [],
    }
    [server] = template(shown)["spec"]["containers"]
    mounted = {each["mountPath"] for each in server["volumeMounts"]}
    for name, value in told(shown).items():
        if name.endswith("_FILE"):
            assert value.rpartition("/")[0] in mounted, name


def test_it_reaches_its_servers_and_is_reached_by_its_clients_alone(shown: Rendered) -> None:
    access = {key for key in template(shown)["metadata"]["labels"] if "access-" in key}
    assert access == {f"filewallball.io/access-{name}" for name in ("mariadb", "redis", "valkey", "store")}
    [way_in] = shown.object("NetworkPolicy", app.NAME).inputs["spec"]["ingress"]
    assert [each["port"] for each in way_in["ports"]] == [3000, 3001]
    assert {"podSelector": {"matchLabels": {"filewallball.io/access-app": "true"}}} in way_in["from"]
    [way_out] = shown.object("NetworkPolicy", "app-clients").inputs["spec"]["egress"]
    assert [each["port"] for each in way_out["ports"]] == [3000, 3001]
    assert template(shown)["spec"]["automountServiceAccountToken"] is False


def test_its_checks_know_each_server_and_may_ask_it(shown: Rendered, dev: Rendered) -> None:
    def section(rendered: Rendered) -> dict[str, Any] | None:
        text = rendered.object("ConfigMap", "filewallball-checks").inputs["data"]["checks.json"]
        return json.loads(text).get("app")

    found = section(shown)
    assert found == {
        "servers": [{"name": f"app-{number}", "host": f"app-{number}", "port": 3000} for number in range(3)],
        "upload_bytes": 2 * 2**30,
    }
    pod = shown.object("PodTemplate", "filewallball-checks").inputs["template"]
    assert pod["metadata"]["labels"]["filewallball.io/access-app"] == "true"
    assert section(dev) is None, "no application, no checks of it"


def test_with_encrypted_connections_it_knows_the_authority() -> None:
    environment = told(run_program({**with_app(), "tls": {"enabled": True}}))
    assert environment[Variables.CA_FILE] == "/tls/ca/ca.crt"
    assert environment[Variables.CACHE_URL] == "rediss://redis:6379/0"


def test_the_store_has_a_user_for_the_files_alone(shown: Rendered) -> None:
    pod = shown.object("Deployment", store.NAME).inputs["spec"]["template"]["spec"]
    environment = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    assert environment["FWB_FILES_BUCKET"] == "filewallball-files"
    assert environment["FWB_BUCKET"] == "filewallball-backups"
    mounts = {each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert {f"/secrets/{app.FILES_CREDENTIALS}", "/run/store"} <= mounts
    secret = shown.object("Secret", app.FILES_CREDENTIALS)
    assert set(secret.inputs["data"]) == {store.ACCESS_KEY, store.SECRET_KEY}
    assert secret.ignore_changes == ["data"]


def test_a_bucket_elsewhere_is_at_the_service_of_the_backups() -> None:
    base = merged(PRD, {"backup": {"store": {"endpoint": "https://s3.example.org", "ca": {"secret": "own"}}}})
    rendered = run_program(with_app(base, files={"bucket": "walls", "credentialsSecret": "wall-keys"}))
    environment = told(rendered)
    assert environment[Variables.FILES_ENDPOINT] == "https://s3.example.org"
    assert environment[Variables.FILES_REGION] == "ap-northeast-2"
    assert environment[Variables.FILES_BUCKET] == "walls"
    assert environment[Variables.FILES_KEY_ID_FILE] == "/secrets/wall-keys/access-key"
    assert environment[Variables.FILES_CA_FILE] == "/etc/filewallball-store/ca.crt"
    [volume] = [each for each in template(rendered)["spec"]["volumes"] if each["name"] == "store"]
    assert volume["secret"]["optional"], "its owner can make it only in a namespace that is there"


def test_at_aws_the_bucket_is_made_and_the_application_may_use_it_alone() -> None:
    locked = {**AWS, "objectLock": {"days": 30}}
    rendered = run_program(with_app(merged(PRD_AWS, {"backup": {"store": {"aws": locked}}})))
    buckets = [each.inputs["bucket"] for each in rendered.resources if each.type == "aws:s3/bucket:Bucket"]
    assert sorted(buckets) == ["some-bucket", "some-bucket-files"]
    guards = {
        each.kind
        for each in rendered.resources
        if each.type.startswith("aws:s3/") and each.inputs["bucket"] == "some-bucket-files"
    }
    assert "BucketObjectLockConfiguration" not in guards, "who deletes a file may count on its going"
    assert {"BucketPublicAccessBlock", "BucketPolicy", "BucketVersioning"} <= guards
    policies = [
        json.loads(each.inputs["policy"])
        for each in rendered.resources
        if each.type == "aws:iam/rolePolicy:RolePolicy" and each.inputs["role"].endswith("-app")
    ]
    [policy] = policies
    resources = {one for each in policy["Statement"] for one in each["Resource"]}
    assert resources == {"arn:aws:s3:::some-bucket-files", "arn:aws:s3:::some-bucket-files/*"}
    rights = {each["Sid"]: each for each in policy["Statement"]}
    assert "Condition" not in rights["List"], "the whole bucket is its own"
    assert "s3:ListMultipartUploadParts" in rights["Objects"]["Action"], "an upload can be resumed"
    account = rendered.object("ServiceAccount", app.ACCOUNT).inputs["metadata"]["annotations"]
    assert account["eks.amazonaws.com/role-arn"].endswith(":role/filewallball-test-app")
    assert Variables.FILES_KEY_ID_FILE not in told(rendered)
    outputs = rendered.outputs["buckets"]
    assert outputs == {"backups": "s3://some-bucket/team/", "files": "s3://some-bucket-files/"}


@pytest.mark.parametrize(
    ("values", "path", "said"),
    [
        (with_app(replicas=0), "app.replicas", "1 to 20"),
        (with_app(replicas=21), "app.replicas", "1 to 20"),
        (with_app(replicas=20), "app.replicas", "write one of 160 or more there"),
        (with_app(maxUploadBytes="2Gi"), "app.maxUploadBytes", "not a whole number"),
        (with_app(maxUploadBytes=0), "app.maxUploadBytes", "write 1 to"),
        (with_app(trustedProxies=["10.0.0.1/8"]), "app.trustedProxies.0", "no bit set"),
        (with_app(logLevel="loud"), "app.logLevel", "write debug or info"),
        (with_app(files={"bucket": "No"}), "app.files.bucket", "not a bucket's name"),
        (with_app(PRD), "app.files.bucket", "write its name"),
        (with_app(PRD, files={"bucket": "some-bucket"}), "app.files.bucket", "the bucket of the backups"),
        (with_app(files={"bucket": "filewallball-backups"}), "app.files.bucket", "the bucket of the backups"),
        (with_app(files={"credentialsSecret": "own"}), "app.files.credentialsSecret", "leave this out"),
        (
            with_app(
                merged(PRD, {"backup": {"store": {"credentialsSecret": "keys"}}}),
                files={"bucket": "walls", "credentialsSecret": "keys"},
            ),
            "app.files.credentialsSecret",
            "opens the backups",
        ),
        (
            with_app(PRD, image="registry.example.org/app:1", files={"bucket": "walls"}),
            "app.image",
            "a tag can change",
        ),
        (with_app(PRD, image=None, files={"bucket": "walls"}), "app.image", "needs a pushed image"),
        (
            with_app(
                PRD_AWS, serviceAccountAnnotations={"eks.amazonaws.com/role-arn": "arn:aws:iam::0:role/a"}
            ),
            "app.serviceAccountAnnotations.eks.amazonaws.com/role-arn",
            "the stack makes this account's role itself",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(values: dict[str, Any], path: str, said: str) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(values, "test")
    assert any(f"  {path}{end}" in str(caught.value) for end in (" = ", ": "))
    assert said in str(caught.value)


def test_a_switched_off_application_needs_nothing() -> None:
    assert settings.load(merged(PRD, {"app": {"enabled": False}}), "prd").files_bucket is None


def test_as_many_servers_as_the_database_has_places_for_are_right() -> None:
    enough = merged(with_app(replicas=20), {"mariadb": {"maxConnections": 20 * app.CONNECTIONS}})
    assert settings.load(enough, "test").app.replicas == 20
    assert database.CONNECTIONS == app.CONNECTIONS
