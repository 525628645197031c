"""Stands for `pulumi-language-python`, whose Go module is in no registry. The CLI starts it for the program.

The real one starts a Python of the project's virtual environment; this one is that Python. It answers with
the server that pulumi.automation has for programs given as functions. The CLI also has it start policy packs.
What that leaves untested: how the real host finds an environment, how it installs packages and plugins, and
by which words it starts a pack.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

WHOLE = [("grpc.max_receive_message_length", 400 << 20), ("grpc.max_send_message_length", 400 << 20)]


class Host(LanguageServer):
    """Runs `__main__.py` of the folder that the CLI names."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def Run(self, request: Any, context: Any) -> Any:
        folder = Path(request.info.program_directory or request.pwd)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        self.program = lambda: runpy.run_path(str(folder / "__main__.py"), run_name="__main__")
        return super().Run(request, context)

    def RunPlugin(self, request: Any, context: Any) -> Iterator[language_pb2.RunPluginResponse]:
        """Start a policy pack in its folder. The CLI reads the pack's port from what it prints."""
        options, folder = MessageToDict(request.info.options), request.info.program_directory
        python = Path(folder, options["virtualenv"], "bin", "python")
        (address,) = request.args
        pack = subprocess.Popen(
            [python, "-u", "-m", "pulumi.policy", address, "."],
            cwd=folder,
            env=dict(each.split("=", 1) for each in request.env) or None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        context.add_callback(pack.terminate)
        assert pack.stdout
        for line in pack.stdout:
            yield language_pb2.RunPluginResponse(stdout=line)
        yield language_pb2.RunPluginResponse(exitcode=pack.wait())

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="3.0.0")


def main() -> None:
    """Serve until the CLI ends this process."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    server = grpc.server(ThreadPoolExecutor(4), options=WHOLE)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    over.wait()
    server.stop(0)


if __name__ == "__main__":
    main()
