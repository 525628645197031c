"""The balancer in a stack: what nginx reads, what its pods are, and who may come in by which way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from program_run import DEV, Rendered, merged, run_program

from components import schema
from components.balancer_conf import Paths, Upstream, render
from components.images import reference
from facts import app
from facts.addresses import URL, Page
from facts.balancer import ADMIN, NAME, STATUS, Server, read, written

ON: dict[str, Any] = {
    "app": {"enabled": True, "image": "registry.example.org/team/app:1"},
    "balancer": {"enabled": True},
}
SERVERS = [Upstream(f"app-{number}", f"app-{number}", 3000, 3001) for number in range(3)]
PATHS = Paths(app.LOG_INS, app.UPLOADS, 2**31)


def with_balancer(**settings: Any) -> Rendered:
    return run_program(merged(merged(DEV, ON), {"balancer": settings}))


@pytest.fixture(scope="module")
def shown() -> Rendered:
    return with_balancer()


def config_map(rendered: Rendered) -> dict[str, Any]:
    [found] = [
        each.inputs
        for each in rendered.objects
        if each.kind == "ConfigMap" and each.inputs["metadata"]["name"].startswith(f"{NAME}-")
    ]
    return found


def jobs(rendered: Rendered) -> list[Any]:
    return [each for each in rendered.objects if each.kind == "Job" and each.name.startswith(f"{NAME}-")]


def pod(rendered: Rendered) -> dict[str, Any]:
    return rendered.object("Deployment", NAME).inputs["spec"]["template"]


def opening(rendered: Rendered, name: str) -> tuple[list[Any], list[int]]:
    """Who comes in at which ports."""
    [rule] = rendered.object("NetworkPolicy", name).inputs["spec"]["ingress"]
    return rule["from"], [each["port"] for each in rule["ports"]]


def test_without_it_a_stack_has_nothing_of_it(dev: Rendered) -> None:
    assert not [each for each in dev.objects if each.name.startswith(NAME)]
    assert NAME not in dev.outputs["hosts"]


def test_every_server_is_asked_and_once_more_if_all_fail() -> None:
    text = render(schema.Balancer(), SERVERS, PATHS)["upstreams.conf"]
    for group, port in (("site", 3000), ("admin", 3001)):
        block = text.partition(f"upstream {group} {{")[2].partition("}")[0]
        lines = [line.strip() for line in block.splitlines()]
        servers = [line for line in lines if line.startswith("server")]
        assert servers == [
            *(f"server app-{number}:{port} max_fails=3 fail_timeout=30s;" for number in range(3)),
            *(f"server app-{number}:{port} backup max_fails=0;" for number in range(3)),
        ]
        # nginx takes the method only before it is told to keep connections
        assert lines.index("least_conn;") < lines.index("keepalive 32;")
        assert f"zone {group} 256k;" in lines


def test_what_newer_versions_do_by_default_is_written_out() -> None:
    lines = render(schema.Balancer(), SERVERS, PATHS)["proxy.conf"].splitlines()
    assert {"proxy_http_version 1.1;", 'proxy_set_header Connection "";'} <= set(lines)
    for name in ("Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-Id"):
        assert [line for line in lines if line.startswith(f"proxy_set_header {name} ")]
    assert "non_idempotent" not in "".join(line for line in lines if not line.startswith("#"))


def test_nothing_is_left_to_be_filled_in() -> None:
    texts = render(schema.Balancer(), SERVERS, PATHS)
    assert not [name for name, text in texts.items() if name.endswith(".conf") and "${" in text]


def test_a_connection_ends_sooner_than_a_pod_that_stops() -> None:
    """So that no client has one on which it sends while nginx closes it."""
    for drain, keep in ((1, 1), (12, 9), (60, 57)):
        text = render(schema.Balancer(drain_seconds=drain), SERVERS, PATHS)["nginx.conf"]
        assert f"keepalive_time {keep}s;" in text


def test_the_servers_are_told_to_what_runs_beside_nginx(shown: Rendered) -> None:
    groups = read(config_map(shown)["data"]["upstreams.json"])
    assert groups["site"] == tuple(Server(f"app-{number}", f"app-{number}", 3000) for number in range(3))
    assert groups == read(written(groups))


def test_a_configuration_is_tested_before_a_pod_gets_it(shown: Rendered) -> None:
    name = config_map(shown)["metadata"]["name"]
    [test] = jobs(shown)
    [volume] = [each for each in pod(shown)["spec"]["volumes"] if each["name"] == "config"]
    [tested] = [
        each for each in test.inputs["spec"]["template"]["spec"]["volumes"] if each["name"] == "config"
    ]
    assert volume == tested
    assert volume["configMap"]["name"] == name
    deployment = shown.object("Deployment", NAME)
    assert test.urn in deployment.depends_on
    ways = [each for each in shown.objects if each.name.startswith(f"{NAME}-")]
    ways = [each for each in ways if each.kind in ("Service", "NetworkPolicy")]
    assert len(ways) == 9
    for each in ways:
        assert test.urn in each.depends_on, f"{each.name} may be for the new pods alone"
    image = {each["name"]: each["image"] for each in pod(shown)["spec"]["containers"]}["nginx"]
    assert test.inputs["spec"]["template"]["spec"]["containers"][0]["image"] == image


def test_a_configuration_names_a_server_only_when_that_is_ready(shown: Rendered) -> None:
    """More servers are there before nginx hears of them, whichever engine goes by what needs what."""
    [test] = jobs(shown)
    assert shown.object("StatefulSet", app.NAME).urn in test.depends_on
    for each in SERVERS:
        assert shown.object("Service", each.host).urn in test.depends_on


def test_another_configuration_leaves_the_old_pods_theirs(shown: Rendered) -> None:
    changed = with_balancer(silenceSeconds=7)
    assert config_map(changed)["metadata"]["name"] != config_map(shown)["metadata"]["name"]
    assert jobs(changed)[0].inputs["metadata"]["name"] != jobs(shown)[0].inputs["metadata"]["name"]
    more = with_balancer(replicas=3)
    assert config_map(more)["metadata"]["name"] == config_map(shown)["metadata"]["name"]
    assert pod(more) == pod(shown)


def test_more_servers_are_another_configuration() -> None:
    four = run_program(merged(merged(DEV, ON), {"app": {"replicas": 4}}))
    assert "server app-3:3000 max_fails=3" in config_map(four)["data"]["upstreams.conf"]


def test_what_runs_beside_nginx_is_built_from_this_checkout_or_named(shown: Rendered) -> None:
    images = {each["name"]: each["image"] for each in pod(shown)["spec"]["containers"]}
    assert images == {"nginx": "docker.io/library/nginx:1.30", "peers": reference("peers")}
    named = with_balancer(peers={"image": "registry.example.org/peers:1"})
    assert named.outputs["versions"]["peers"] == "registry.example.org/peers:1"
    assert named.outputs["versions"]["balancer"] == "docker.io/library/nginx:1.30"


def test_a_stop_has_time_to_end_requests(shown: Rendered) -> None:
    settings = schema.Balancer()
    assert (
        pod(shown)["spec"]["terminationGracePeriodSeconds"]
        > settings.drain_seconds + settings.shutdown_seconds
    )
    strategy = shown.object("Deployment", NAME).inputs["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_only_those_with_a_label_come_in_unless_the_settings_name_others(shown: Rendered) -> None:
    for name, port in ((NAME, 8080), (ADMIN, 8081), (STATUS, 8082)):
        who, ports = opening(shown, name)
        labels = {key for each in who for key in each["podSelector"]["matchLabels"]}
        assert (labels, ports) == ({f"filewallball.io/access-{name}"}, [port])
    opened = with_balancer(
        clients={"addresses": ["10.0.0.0/8"], "namespaces": ["ingress-nginx"]},
        adminClients={"addresses": ["192.0.2.0/24"]},
    )
    site, _ = opening(opened, NAME)
    assert {"ipBlock": {"cidr": "10.0.0.0/8"}} in site
    assert "ingress-nginx" in json.dumps(site)
    assert {"ipBlock": {"cidr": "192.0.2.0/24"}} in opening(opened, ADMIN)[0]
    assert len(opening(opened, STATUS)[0]) == 2


def test_its_pods_may_go_to_the_application(shown: Rendered) -> None:
    assert pod(shown)["metadata"]["labels"]["filewallball.io/access-app"] == "true"


def test_the_services_are_apart() -> None:
    rendered = with_balancer(
        service={"type": "NodePort", "nodePort": 30080, "keepClientAddress": True, "annotations": {"a": "b"}}
    )
    site = rendered.object("Service", NAME).inputs
    assert site["spec"]["type"] == "NodePort"
    assert site["spec"]["externalTrafficPolicy"] == "Local"
    assert [(each["port"], each["targetPort"], each["nodePort"]) for each in site["spec"]["ports"]] == [
        (80, "site", 30080)
    ]
    assert site["metadata"]["annotations"]["a"] == "b"
    page = Page.read(site["metadata"]["annotations"][URL])
    assert page
    assert page.url() == "http://127.0.0.1:3000"
    admin = rendered.object("Service", ADMIN).inputs["spec"]
    assert "type" not in admin
    assert admin["ports"][0]["port"] == 3001
    assert rendered.object("Service", STATUS).inputs["spec"]["clusterIP"] == "None"


def test_a_certificate_opens_a_second_port() -> None:
    rendered = with_balancer(tlsSecret="site-tls")
    ports = rendered.object("Service", NAME).inputs["spec"]["ports"]
    assert [(each["port"], each["targetPort"]) for each in ports] == [(443, "site-tls"), (80, "site")]
    assert opening(rendered, NAME)[1] == [8080, 8443]
    text = config_map(rendered)["data"]["servers.conf"]
    assert "ssl_certificate /secrets/site-tls/$certificate.crt;" in text
    assert rendered.outputs["hosts"][NAME].endswith(":443")


def test_an_ingress_or_a_route_names_the_hosts() -> None:
    hosts = ["mincenter.kr", "www.mincenter.kr"]
    ingress = with_balancer(hosts=hosts, ingress={"className": "nginx", "tlsSecret": "site"})
    spec = ingress.object("Ingress", NAME).inputs["spec"]
    assert [each["host"] for each in spec["rules"]] == hosts
    assert spec["tls"] == [{"hosts": hosts, "secretName": "site"}]
    route = with_balancer(hosts=hosts, route={"gateway": "public", "namespace": "gateways"})
    spec = route.object("HTTPRoute", NAME).inputs["spec"]
    assert spec["hostnames"] == hosts
    assert spec["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
    assert spec["rules"] == [{"backendRefs": [{"name": NAME, "port": 80}]}]
