"""The way into the cluster, as explicit providers: no stack depends on what a shell happens to point at."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.kube import Keeping


@dataclass
class ClusterArgs:
    kubeconfig: pulumi.Input[str] | None = None
    context: pulumi.Input[str] | None = None
    protect: bool = False


class Cluster(pulumi.ComponentResource):
    """Two providers for one cluster.

    `provider` creates: an object that is already there and isn't this stack's is an error. `keeping` also
    takes over what exists: it serves only what outlives `destroy`, so that the next `up` finds its data.
    """

    provider: kubernetes.Provider
    keeping: Keeping

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Cluster", name, None, opts)
        self.provider = self._connect(f"{name}-new", args, upsert=False)
        self.keeping = Keeping(self._connect(f"{name}-kept", args, upsert=True), args.protect)
        self.register_outputs({})

    def _connect(self, name: str, args: ClusterArgs, *, upsert: bool) -> kubernetes.Provider:
        return kubernetes.Provider(
            name,
            kubeconfig=args.kubeconfig,
            context=args.context,
            # With a fixed name, the alternative to changing one in place is to delete it under its readers.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            upsert_existing_objects=upsert,
            # The program wins over changes by hand. Else they end in a conflict, even after a refresh.
            enable_patch_force=True,
            opts=pulumi.ResourceOptions(
                parent=self, transformations=[] if args.kubeconfig else [_by_kubectls_search]
            ),
        )


def _by_kubectls_search(
    given: pulumi.ResourceTransformationArgs,
) -> pulumi.ResourceTransformationResult:
    """Take out what the SDK has put in: the value of KUBECONFIG, which may name several files.

    Without it the provider searches as kubectl does, and reads all of them.
    """
    props = {key: value for key, value in given.props.items() if key != "kubeconfig"}
    return pulumi.ResourceTransformationResult(props, given.opts)
