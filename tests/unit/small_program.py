"""The head of programs that tests run without a cluster: a provider, a component, an object."""

from __future__ import annotations

HEAD = """
import pulumi

class Provider(pulumi.ProviderResource):
    def __init__(self, name, **props):
        super().__init__("kubernetes", name, props)

class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("t:index:Group", name, None, opts)

def thing(name, props=None, kind="ConfigMap", api="v1", **opts):
    props = {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "n"}, **(props or {})}
    group = f"core/{api}" if "/" not in api else api
    return pulumi.CustomResource(f"kubernetes:{group}:{kind}", name, props, pulumi.ResourceOptions(**opts))
"""
