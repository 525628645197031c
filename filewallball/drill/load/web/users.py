"""Users who come at a constant pace, whatever becomes of those before them.

Each request has a moment at which it is due, and its time counts from then: had the client waited for slow
answers before it asked again, the worst of an outage would be left out (coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from itertools import count

from filewallball.drill.load.web.account import Account
from filewallball.drill.load.web.connections import Answer, Connections
from filewallball.drill.load.web.mix import LOG_IN, LOG_IN_SECONDS, Kind, mixed
from filewallball.drill.load.web.recording import Plan, Sample

USERS = 16
"""Each has connections of its own, so that all pods of the balancer get requests."""
AGAIN_SECONDS = 2.0
"""After a refused or reset connection, a second try comes so much later. Whatever watches the pods has
noticed by then; a browser that loads a page again waits no less."""


class Users:
    """`samples` grows with each request that has ended."""

    def __init__(self, plan: Plan, account: Account) -> None:
        self.samples: list[Sample] = []
        self._plan, self._account = plan, account
        self._users = [Connections(plan.url) for _ in range(USERS)]
        self._mixed = mixed()
        self._under_way: set[asyncio.Task[Answer]] = set()
        # All users have one address, to which the balancer gives so many requests at a time: the load must
        # not be refused for what many addresses may do.
        self._turn = asyncio.Semaphore(plan.at_once)

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop, and until what is under way then has ended."""
        log_ins = asyncio.create_task(self._log_ins(stop))
        began = time.monotonic()
        for number in count():
            due = began + number / self._plan.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if stop.is_set():
                break
            self._send(next(self._mixed), due, self._users[number % USERS])
        await log_ins
        await asyncio.gather(*self._under_way)
        for each in self._users:
            await each.close()

    def _send(self, kind: Kind, due: float, user: Connections) -> None:
        task = asyncio.create_task(self._one(kind, due, user))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _one(self, kind: Kind, due: float, user: Connections) -> Answer:
        sent = time.monotonic()
        answer = await self._asked(kind, user)
        sample = Sample(
            kind.name, due, sent, time.monotonic(), answer.status, answer.server, answer.error,
            self._account.right(kind, answer), "retry-after" in answer.headers,
        )  # fmt: skip
        if answer.to_be_tried_again:
            await asyncio.sleep(AGAIN_SECONDS)
            again = await self._asked(kind, user)
            sample = sample._replace(
                again=again.status,
                again_right=self._account.right(kind, again),
                again_done=time.monotonic(),
            )
            answer = again
        self.samples.append(sample)
        return answer

    async def _asked(self, kind: Kind, user: Connections) -> Answer:
        path, headers, content = self._account.request(kind)
        async with self._turn:
            return await user.send(kind.method, path, headers=headers, content=content)

    async def _log_ins(self, stop: asyncio.Event) -> None:
        """Few, one after the other; each session ends again."""
        user = Connections(self._plan.url)
        while not stop.is_set():
            answer = await self._one(LOG_IN, time.monotonic(), user)
            if answer.status == LOG_IN.status:
                await self._account.log_out(answer)
            try:
                await asyncio.wait_for(stop.wait(), LOG_IN_SECONDS)
            except TimeoutError:
                continue
        await user.close()
