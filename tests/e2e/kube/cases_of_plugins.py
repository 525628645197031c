"""Kubeconfigs whose credentials come from a program."""

from __future__ import annotations

from typing import Any

from kubeconfig_cases import EXEC, Case, Cluster, answer, b64, config, plugin, refused, works


@works
def plugin_with_a_token(at: Cluster) -> Case:
    return Case({"config": config(at, user=plugin()), "plugin": answer(token=at.token)})


@works
def plugin_of_the_beta_without_a_mode(at: Cluster) -> Case:
    user = plugin("v1beta1", interactiveMode=None)
    return Case({"config": config(at, user=user), "plugin": answer("v1beta1", token=at.token)})


@works
def plugin_with_a_certificate(at: Cluster) -> Case:
    pair = {"clientCertificateData": at.certificate.decode(), "clientKeyData": at.key.decode()}
    return Case({"config": config(at, user=plugin()), "plugin": answer(**pair)})


@works
def plugin_whose_answer_is_over_at_once(at: Cluster) -> Case:
    text = answer(token=at.token, expirationTimestamp="2020-01-01T00:00:00Z")
    return Case({"config": config(at, user=plugin()), "plugin": text})


@works
def plugin_that_is_told_of_the_cluster(at: Cluster) -> Case:
    user = plugin(args=["one", "two words"], env=[{"name": "EXTRA", "value": "yes"}], provideClusterInfo=True)
    extension = [{"name": f"{EXEC}/exec", "extension": {"audience": "a9"}}]
    checks = [
        '[ "$1/$2/$EXTRA" = "one/two words/yes" ] || exit 3',
        "case $KUBERNETES_EXEC_INFO in *'\"audience\":'*a9*) ;; *) exit 4 ;; esac",
        f"case $KUBERNETES_EXEC_INFO in *'{at.server}'*) ;; *) exit 5 ;; esac",
        f"case $KUBERNETES_EXEC_INFO in *'{b64(at.authority)}'*) ;; *) exit 6 ;; esac",
    ]
    # Python writes a blank after the colon, Go none
    program = answer(token=at.token).replace("#!/bin/sh\n", "\n".join(["#!/bin/sh", *checks, ""]))
    return Case({"config": config(at, user=user, extensions=extension), "plugin": program})


@works
def plugin_beside_a_token(at: Cluster) -> Case:
    return Case({"config": config(at, user={**plugin(), "token": at.token}), "plugin": "#!/bin/sh\nexit 1\n"})


@works
def plugin_that_prints_yaml(at: Cluster) -> Case:
    text = f"kind: ExecCredential\napiVersion: {EXEC}/v1\nstatus:\n  token: {at.token}\n"
    return Case({"config": config(at, user=plugin()), "plugin": f"#!/bin/sh\ncat <<'END'\n{text}END\n"})


@refused
def plugin_without_a_mode(at: Cluster) -> Case:
    user = plugin(interactiveMode=None)
    return Case({"config": config(at, user=user), "plugin": answer(token=at.token)})


@refused
def plugin_of_the_alpha(at: Cluster) -> Case:
    return Case({"config": config(at, user=plugin("v1alpha1")), "plugin": answer("v1alpha1", token=at.token)})


@refused
def plugin_that_answers_in_another_version(at: Cluster) -> Case:
    return Case({"config": config(at, user=plugin()), "plugin": answer("v1beta1", token=at.token)})


@refused
def plugin_that_is_missing(at: Cluster) -> Any:
    return config(at, user=plugin(command="no-such-plugin", installHint="Install it."))


@refused
def plugin_that_fails(at: Cluster) -> Case:
    return Case({"config": config(at, user=plugin()), "plugin": "#!/bin/sh\necho no >&2\nexit 1\n"})


@refused
def plugin_that_prints_rubbish(at: Cluster) -> Case:
    return Case({"config": config(at, user=plugin()), "plugin": "#!/bin/sh\necho 'Logged in!'\n"})


@refused
def plugin_that_prints_nothing(at: Cluster) -> Case:
    return Case({"config": config(at, user=plugin()), "plugin": "#!/bin/sh\n"})


@refused
def plugin_with_half_a_certificate(at: Cluster) -> Case:
    text = answer(clientCertificateData=at.certificate.decode())
    return Case({"config": config(at, user=plugin()), "plugin": text})


@refused
def plugin_that_needs_a_terminal(at: Cluster) -> Case:
    user = plugin(interactiveMode="Always")
    return Case({"config": config(at, user=user), "plugin": answer(token=at.token)})


@refused
def plugin_without_command(at: Cluster) -> Any:
    return config(at, user=plugin(command=""))
