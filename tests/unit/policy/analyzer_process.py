"""The policy pack as the Pulumi CLI runs it: a process of its own, asked over gRPC."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from registrations import Registration

PACK = Path(__file__).parents[3] / "policy"
Stub = analyzer_pb2_grpc.AnalyzerStub
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


@contextmanager
def started() -> Generator[analyzer_pb2_grpc.AnalyzerStub]:
    """The running pack, started as the language host starts it for the CLI."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:0", "."],
        cwd=PACK,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(values), struct_pb2.Struct())


def request(given: Registration) -> analyzer_pb2.AnalyzeRequest:
    return analyzer_pb2.AnalyzeRequest(
        type=given["type"],
        properties=struct(given["props"]),
        urn=given["urn"],
        name=given["name"],
        options=analyzer_pb2.AnalyzerResourceOptions(protect=bool(given.get("protect"))),
    )


def whole(stack: Iterable[Registration]) -> analyzer_pb2.AnalyzeStackRequest:
    resources: list[analyzer_pb2.AnalyzerResource] = []
    for given in stack:
        needs: dict[str, list[str]] = dict(given.get("needs") or {})
        every = needs.pop("", [])
        resources.append(
            analyzer_pb2.AnalyzerResource(
                type=given["type"],
                properties=struct(given["props"]),
                urn=given["urn"],
                name=given["name"],
                options=analyzer_pb2.AnalyzerResourceOptions(protect=bool(given.get("protect"))),
                dependencies=every,
                propertyDependencies={
                    name: analyzer_pb2.AnalyzerPropertyDependencies(urns=urns) for name, urns in needs.items()
                },
            )
        )
    return analyzer_pb2.AnalyzeStackRequest(resources=resources)


def found(
    analyzer: analyzer_pb2_grpc.AnalyzerStub, stack: Iterable[Registration]
) -> list[tuple[str, str, str]]:
    """What the pack says of a stack: rule, URN and message of each violation."""
    given = list(stack)
    told = [
        (each["urn"], diagnostic)
        for each in given
        for diagnostic in analyzer.Analyze(request(each)).diagnostics
    ]
    told += [(each.urn, each) for each in analyzer.AnalyzeStack(whole(given)).diagnostics]
    return sorted((each.policyName, urn, each.message) for urn, each in told)
