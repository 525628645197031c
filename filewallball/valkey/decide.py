"""What a member should do next: a pure function of what it and the others say.

The rules, in words:
- Nothing happens without a majority of Sentinels that names one member.
- A majority's word counts from the epoch on that the data themselves know of; Sentinels with an older one
  have lost their memory, and a primary tells them anew.
- Where the named primary serves, the others follow it. Where it doesn't, the freshest member takes its place,
  once all members have said how fresh they are, or have had time enough to.
- A primary that is slow to answer keeps its place as long as the Sentinels bear with it.
- A member that is closed (it has restarted) never leads because it is named, only because nobody is fresher.
- A primary that leads with older data than somebody who comes later gives way, if it has taken no write yet.
  So that it takes none, a member that has restarted doesn't follow it before the others have had their say,
  and it has itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from filewallball.valkey.member import View
from filewallball.valkey.sentinels import Opinion

ABSENT_SECONDS = 12.0
"""How long members that can't be asked are waited for before the freshest of the others leads."""
LOADING_SECONDS = 120.0
"""The same for members that are known to be reading their data."""
SENTINELS_FIRST_SECONDS = 4.0
"""How long the Sentinels' own fail-over is given before a live replica acts in its place."""
PROMOTED_SECONDS = 6.0
"""How long a new primary may be unknown to the Sentinels: they are being told."""
TOGETHER_SECONDS = 3.0
"""How long a restarted member leaves a primary without a replica, for others that start with it."""
ADRIFT_SECONDS = 15.0
"""After so long without its link a replica is no candidate for anybody any more."""

Do = Literal["stay", "serve", "follow", "appoint", "close"]


@dataclass(frozen=True, slots=True)
class Step:
    """`do` what and with whom; `why` is for the log and for whoever waits for the member to be ready."""

    do: Do
    who: str = ""
    why: str = ""


def decide(
    me: View,
    named: Opinion | None,
    peers: Mapping[str, View | None],
    *,
    unsettled: float,
    leading: float,
) -> Step:
    """The next step of the member `me`.

    peers: what the other members say, None for one that can't be asked. unsettled: seconds since this member
    last had its place. leading: seconds that it has been a primary.
    """
    if named is None:
        return Step("stay", why="too few Sentinels name one member")
    if me.role == "loading":
        return Step("stay", why="reading its data")
    if me.role == "primary" and named.epoch < me.epoch:
        return Step("appoint", me.name, f"the Sentinels know epoch {named.epoch}, the data {me.epoch}")
    if named.primary.name == me.name:
        if me.role == "primary":
            return Step("serve", why="primary")
        if me.role == "stuck":
            # Slow or frozen: whether it is down is for the Sentinels to say.
            return Step("stay", why="the server doesn't answer")
        return _vacant(me, named, peers, unsettled)
    return _beside(me, named, peers, unsettled, leading)


def _beside(
    me: View, named: Opinion, peers: Mapping[str, View | None], unsettled: float, leading: float
) -> Step:
    """Another member is named."""
    name = named.primary.name
    primary = peers.get(name)
    # An agent that can't be asked, or a server that is slow to answer, doesn't mean that the primary is gone;
    # Sentinels watch the server itself, and are as patient with it as they have been told to be.
    slow = primary is not None and primary.role == "stuck"
    serves = primary.serving if primary and not slow else not named.down
    if me.role == "stuck":
        return Step("follow", name, "the server doesn't answer")
    if me.role == "down":
        return Step("stay", why="the server is down")
    if me.role == "primary" and leading < PROMOTED_SECONDS:
        return Step("stay", why=f"just promoted; the Sentinels still name {name}")
    if primary and primary.serving and primary.epoch < named.epoch:
        if _has_more(me, primary, peers, named):
            return Step("appoint", me.name, f"{name} leads with older data, and hasn't taken a write yet")
        awaited = _awaited(primary, peers) if me.role == "closed" and unsettled < TOGETHER_SECONDS else []
        if awaited:
            return Step("stay", why=f"{', '.join(awaited)} may have fresher data than {name}")
    if me.role == "primary":
        if serves:
            return Step("follow", name, f"the Sentinels name {name} in epoch {named.epoch}")
        return _vacant(me, named, peers, unsettled)
    attached = me.role == "replica" and me.source == named.primary.host
    if attached and me.linked and (primary or not named.down):
        return Step("serve", why=f"replica of {name}")
    if not serves:
        return _vacant(me, named, peers, unsettled)
    if me.role == "closed" and primary is None and unsettled < TOGETHER_SECONDS and not _led(named, peers):
        return Step("stay", why=f"{name} doesn't say how fresh it is")
    if not attached and not slow:  # of a slow one it isn't known how fresh it is
        return Step("follow", name, f"{name} leads")
    if me.open and unsettled > ADRIFT_SECONDS:
        return Step("close", why=f"not linked to {name} for long: what it has is old")
    return Step("stay", why=f"not linked to {name} yet")


def _has_more(me: View, primary: View, peers: Mapping[str, View | None], named: Opinion) -> bool:
    """Whether `me` has the most, by a second at least, beside a primary that has counted none in its epoch.

    Such a primary has had no replica, so it took no write.
    """
    others = [view for view in peers.values() if view and view.told]
    return _freshest([me, *others], named).name == me.name and _newer(me, primary)


def _newer(view: View, primary: View) -> bool:
    """By a second at least: offsets tell nothing across a restart."""
    return (view.epoch, view.tick) > (primary.epoch, primary.tick)


def _led(named: Opinion, peers: Mapping[str, View | None]) -> bool:
    """Whether the named primary has a replica, so that one more changes nothing for its writes."""
    return any(view and view.linked and view.source == named.primary.host for view in peers.values())


def _awaited(primary: View, peers: Mapping[str, View | None]) -> list[str]:
    """Those that have more than `primary`, or can't tell yet. With a replica it would take writes."""
    return sorted(
        name
        for name, view in peers.items()
        if name != primary.name and (view is None or not view.told or _newer(view, primary))
    )


def _vacant(me: View, named: Opinion, peers: Mapping[str, View | None], unsettled: float) -> Step:
    """The named primary doesn't serve."""
    known = {view.name: view for view in (me, *peers.values()) if view and view.told}
    if any(view.serving for view in known.values() if view.name != me.name):
        return Step("stay", why="another member has just been promoted")
    loading = [name for name, view in peers.items() if view and view.role == "loading"]
    # A server that is down or stuck may hold data; its agent alone can't tell.
    absent = sorted(name for name in peers if name not in known and name not in loading)
    best = _freshest(list(known.values()), named) if known else None
    if best and best.ready_to_lead:
        # It was a replica to the last: it has all that the lost primary had passed on.
        if named.primary.name == me.name:
            return Step("appoint", best.name, f"{me.name} has lost what {best.name} still has")
        if best.name == me.name and unsettled > SENTINELS_FIRST_SECONDS:
            return Step("appoint", me.name, f"{named.primary.name} doesn't serve and nobody took its place")
        return Step("stay", why=f"{named.primary.name} doesn't serve; the Sentinels choose")
    if loading and unsettled < LOADING_SECONDS:
        return Step("stay", why=f"waiting for {', '.join(loading)} to read its data")
    if absent and unsettled < ABSENT_SECONDS:
        return Step("stay", why=f"waiting for {', '.join(absent)}, which may have fresher data")
    if best is None:
        return Step("stay", why="no member can lead")
    if best.name == me.name:
        return Step("appoint", me.name, f"freshest of {len(known)}: {me.freshness}")
    return Step("stay", why=f"{best.name} has fresher data")


def _freshest(views: list[View], named: Opinion) -> View:
    """Among equals the one that is named, then the first by name, so that all choose alike."""

    def rank(view: View) -> tuple[bool, str]:
        return view.name != named.primary.name, view.name

    def freshness(view: View) -> tuple[int, int, int]:
        return view.freshness

    ordered = sorted(views, key=rank)
    return max(ordered, key=freshness)
