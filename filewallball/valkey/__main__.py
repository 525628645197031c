"""`python3 -m filewallball.valkey agent`: the second container of each member's pod."""

from __future__ import annotations

import os
import signal
import socket
import sys
from types import FrameType

from filewallball.errors import ConfigError, UserError


def main(arguments: list[str]) -> int:
    if arguments != ["agent"]:
        raise ConfigError(f"Unknown command {' '.join(arguments)!r}", "Write agent, which is the only one.")
    from filewallball.valkey import peers
    from filewallball.valkey.agent import Agent, layout_summary
    from filewallball.valkey.layout import AGENT_PORT, from_environment

    layout = from_environment(os.environ)
    print(layout_summary(layout), flush=True)
    agent = Agent(layout)

    def stop(_number: int, _frame: FrameType | None) -> None:
        agent.stop()

    signal.signal(signal.SIGTERM, stop)
    peers.serve(agent.state, "::" if socket.has_dualstack_ipv6() else "", AGENT_PORT)
    agent.run()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        print(f"valkey: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
