"""The in-process resource monitor: turns the SDK's requests into resources and hands them to the engine."""

from __future__ import annotations

from typing import Any, Literal, Protocol, cast

from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import engine_pb2, resource_pb2

from filewallball.engine import kinds
from filewallball.engine.program.resources import (
    STACK_TYPE,
    USE_THE_CLI,
    Options,
    Outcome,
    Resource,
    seconds,
    unwrap,
    urn,
    wrap,
)
from filewallball.errors import UserError
from filewallball.redact import Redactor

FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
)


class Handler(Protocol):
    """Carries out what the program declares. Called from several threads at once."""

    def register(self, resource: Resource) -> Outcome: ...

    def read(self, resource: Resource, id_: str) -> Outcome: ...

    def log(self, severity: Literal["debug", "info", "warning", "error"], message: str) -> None: ...


class Monitor(MockMonitor):
    """Features that the engine lacks (transforms, hooks) are not announced, so that the SDK refuses them."""

    def __init__(self, handler: Handler, redactor: Redactor, project: str, stack: str) -> None:
        super().__init__(cast("Any", None))
        self._handler = handler
        self._redactor = redactor
        self._project = project
        self._stack = stack
        self._aliases: dict[str, tuple[str, ...]] = {}
        self.stack_outputs: dict[str, Any] = {}
        self.secret_outputs: set[str] = set()

    def GetDeploymentInfo(self, request: Any) -> Any:  # noqa: ARG002
        return resource_pb2.DeploymentInfo(supportedFeatures=FEATURES)

    def Invoke(self, request: Any) -> Any:
        raise UserError(f"The embedded engine cannot call the provider function {request.tok}", USE_THE_CLI)

    def ReadResource(self, request: Any) -> Any:
        resource = self._resource(request)
        outcome = self._handler.read(resource, request.id)
        return resource_pb2.ReadResourceResponse(urn=resource.urn, properties=_struct(outcome.outputs))

    def RegisterResource(self, request: Any) -> Any:
        resource = self._resource(request)
        if request.type == STACK_TYPE:
            return resource_pb2.RegisterResourceResponse(urn=resource.urn)
        resource.remote = request.remote
        resource.options = self._options(request, resource)
        outcome = self._handler.register(resource)
        for name in request.additionalSecretOutputs:
            self._redactor.add(outcome.outputs.get(name))
        return resource_pb2.RegisterResourceResponse(
            urn=resource.urn,
            id=outcome.id,
            object=_struct(wrap(outcome.outputs, resource.secret_paths)),
            result=resource_pb2.SUCCESS if outcome.result == "done" else resource_pb2.FAIL,
        )

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if request.urn.split("::")[2] == STACK_TYPE:
            self.stack_outputs, paths = unwrap(request.outputs, self._redactor)
            self.secret_outputs = {str(path[0]) for path in paths if path}
        return empty_pb2.Empty()

    def _resource(self, request: Any) -> Resource:
        properties = request.properties if hasattr(request, "properties") else request.object
        props, secret_paths = unwrap(properties, self._redactor)
        for name in request.additionalSecretOutputs:
            secret_paths.append((name,))
            self._redactor.add(props.get(name))
        own = urn(self._stack, self._project, request.parent, request.type, request.name)
        resource = Resource(
            urn=own,
            type=request.type,
            name=request.name,
            parent=request.parent,
            custom=getattr(request, "custom", True),
            provider=request.provider,
            props=props,
            secret_paths=secret_paths,
        )
        if kinds.of(resource.api_version, resource.kind).secret:
            self._redactor.add_secret_object(props)
        return resource

    def _options(self, request: Any, resource: Resource) -> Options:
        limits = request.customTimeouts
        timeouts = {name: seconds(getattr(limits, name)) for name in ("create", "update", "delete")}
        return Options(
            protect=request.protect,
            retain=request.retainOnDelete,
            dependencies=tuple(sorted({*request.dependencies} - {resource.urn})),
            ignore_changes=tuple(request.ignoreChanges),
            replace_on_changes=tuple(request.replaceOnChanges),
            delete_before_replace=request.deleteBeforeReplace,
            aliases=self._alias_urns(request, resource),
            timeouts={name: value for name, value in timeouts.items() if value},
            import_id=request.importId,
        )

    def _alias_urns(self, request: Any, resource: Resource) -> tuple[str, ...]:
        """The earlier names of a resource, those that follow from its parent's earlier names included."""
        parents = [request.parent, *self._aliases.get(request.parent, ())]
        found = {self._urn(parent, request.type, request.name) for parent in parents}
        for alias in request.aliases:
            if alias.urn:
                found.add(alias.urn)
                continue
            spec = alias.spec
            given = [spec.parentUrn] if spec.parentUrn else [""] if spec.noParent else parents
            for parent in given:
                found.add(self._urn(parent, spec.type or request.type, spec.name or request.name))
        aliases = tuple(sorted(found - {resource.urn}))
        self._aliases[resource.urn] = aliases
        return aliases

    def _urn(self, parent: str, type_: str, name: str) -> str:
        return urn(self._stack, self._project, parent, type_, name)


class Engine:
    """Where `pulumi.log` goes."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def Log(self, request: Any) -> None:
        names: dict[int, Literal["debug", "info", "warning", "error"]] = {
            engine_pb2.DEBUG: "debug",
            engine_pb2.INFO: "info",
            engine_pb2.WARNING: "warning",
            engine_pb2.ERROR: "error",
        }
        self._handler.log(names[request.severity], request.message)


def _struct(values: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())
