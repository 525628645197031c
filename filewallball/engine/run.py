"""The four commands: render, preview, up, destroy."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from facts.placeholder import PLACEHOLDER
from filewallball.engine.ownership.hold import exclusively
from filewallball.engine.ownership.record import Record, Store
from filewallball.engine.ownership.session import Session
from filewallball.engine.program.graph import Graph, Providers
from filewallball.engine.program.resources import key_of
from filewallball.engine.showing.report import Reporter
from filewallball.engine.showing.steps import Profile, Result, Step, public_outputs
from filewallball.engine.waiting.observer import Observer
from filewallball.engine.waiting.rollout import Waiter
from filewallball.errors import ConfigError, UserError
from filewallball.kube import Kube
from filewallball.project import Project, StackConfig, load_project, load_stack


def _nothing(_: Graph) -> None:
    return


def _yes(_: list[str]) -> bool:
    return True


@dataclass
class Options:
    """How to run. `before`: called with the whole graph before the cluster is asked for anything.

    `take_over`: adopt objects that exist already, whoever made them. `purge`: `destroy` deletes retained
    objects too (never protected ones). `confirm`: shown what `destroy` will delete, says whether to go on.
    `imports`: seconds that importing this package took, for the profile. `patience`: seconds to bear with an
    API server that goes away half-way. `sealed`: render even where secret values can't be opened.
    """

    take_over: bool = False
    purge: bool = False
    before: Callable[[Graph], None] = _nothing
    confirm: Callable[[list[str]], bool] = _yes
    imports: float = 0.0
    patience: float = 20.0
    sealed: bool = False


@dataclass
class _Run:
    """One command on one stack: what every command needs."""

    command: str
    project: Project
    stack: str
    config: StackConfig
    reporter: Reporter
    profile: Profile
    result: Result
    patience: float
    halt: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def begin(cls, command: str, root: Path, stack: str, options: Options, reporter: Reporter | None) -> _Run:
        reporter = reporter or Reporter(quiet=True)
        profile = Profile({"imports": options.imports})
        with profile("configuration"):
            project = load_project(root)
            config = load_stack(project, stack, sealed=options.sealed)
        reporter.redactor.add(config.secrets, short=True)
        result = Result(command, project.name, stack, reporter.redactor, profile=profile.phases)
        return cls(command, project, stack, config, reporter, profile, result, options.patience)

    def render(self) -> Graph:
        """Run the program without a cluster."""
        with self.profile("imports"):
            from filewallball.engine.applying.handlers import Collector
            from filewallball.engine.program import runner
        collector = Collector()
        with self.profile("program, rendered"), runner.told_of_deploying(self.command == "up"):
            monitor = runner.run(
                self.project, self.stack, self.config, collector, self.reporter.redactor, dry_run=True
            )
        graph = collector.graph
        graph.outputs = public_outputs(monitor.stack_outputs, monitor.secret_outputs, self.reporter.redactor)
        return graph

    def connect(self, providers: Providers) -> Kube:
        """Reach the stack's cluster, or say clearly that it cannot be reached."""
        with self.profile("connection"):
            kube = connect(self.project.main.parent, providers, self.patience)
        self.result.server, self.result.context = kube.server, kube.context
        return kube

    def finish(self, graph: Graph | None = None) -> Result:
        """Close the books: steps in the order of the program, total time."""
        if graph:
            order = {each.urn: index for index, each in enumerate(graph.resources)}
            self.result.steps.sort(key=lambda step: order.get(step.resource.urn, len(order)))
        self.result.seconds = self.profile.total()
        return self.result


def connect(folder: Path, providers: Providers, patience: float) -> Kube:
    """A client for the cluster that the providers name, known to answer. Raises Unreachable, ConfigError."""
    if providers.context == PLACEHOLDER:
        raise ConfigError(
            "The cluster of this stack is still to be set; nothing has been changed",
            "Write one of the names that `kubectl config get-contexts -o name` prints, in the place of"
            f" {PLACEHOLDER}.",
        )
    kubeconfig = providers.kubeconfig
    if kubeconfig and "\n" not in kubeconfig and not kubeconfig.startswith("{"):
        kubeconfig = str(folder / Path(kubeconfig).expanduser())
    kube = Kube.connect(kubeconfig, providers.context, patience=patience)
    providers.default_namespace = kube.namespace
    kube.version()
    return kube


def render(root: Path, stack: str, reporter: Reporter | None = None, *, deploying: bool = False) -> Graph:
    """Everything that the stack declares. Needs no cluster and touches none.

    `deploying`: it is about to be deployed, and what may not be is refused.
    """
    return _Run.begin("up" if deploying else "render", root, stack, Options(), reporter).render()


def preview(
    root: Path, stack: str, options: Options | None = None, reporter: Reporter | None = None
) -> Result:
    """What `up` would do, asked of the server by dry runs. Raises Unreachable without a cluster.

    Where the cluster is still to be named, everything counts as new.
    """
    options = options or Options()
    run = _Run.begin("preview", root, stack, options, reporter)
    graph = run.render()
    graph.check()
    if graph.unnamed:
        from filewallball.engine.applying.plan import unseen

        run.result.steps, run.result.warnings = unseen(graph), graph.warnings
        run.result.outputs = graph.outputs
        return run.finish(graph)
    providers = Providers(graph.providers())
    with run.connect(providers) as kube:
        from filewallball.engine.applying import remove
        from filewallball.engine.applying.plan import Planner
        from filewallball.engine.ownership import guards
        from filewallball.engine.program import runner

        store = Store(kube, run.project.name, stack)
        record = store.load_own(take_over=options.take_over) or Record()
        session = Session(kube, run.project.name, stack, run.reporter.redactor, take_over=options.take_over)
        with run.profile("reading the cluster"):
            session.prefetch(record.kinds | graph.kinds)
            guards.plan(session, graph, providers)
        planner = Planner(session, providers, graph, run.reporter)
        with run.profile("program and dry runs"):
            monitor = runner.run(run.project, stack, run.config, planner, run.reporter.redactor, dry_run=True)
        run.result.steps = planner.steps
        run.result.failures = planner.failures
        over = remove.undeclared(session, planner.declared)
        gone, kept, protected = remove.split(over, guards.occupied(session, over))
        run.result.steps += [Step(remove.as_resource(obj), "delete", key_of(obj)) for obj in gone]
        run.result.steps += [
            Step(remove.as_resource(obj), "keep", key_of(obj), note="stays, leaves the stack") for obj in kept
        ]
        if protected:
            run.result.failures.append(str(remove.protection_error(protected)))
        run.result.outputs = public_outputs(
            monitor.stack_outputs, monitor.secret_outputs, run.reporter.redactor
        )
    return run.finish(graph)


def up(root: Path, stack: str, options: Options | None = None, reporter: Reporter | None = None) -> Result:
    """Make the cluster what the program declares, and wait until it is. One run per stack at a time."""
    options = options or Options()
    run = _Run.begin("up", root, stack, options, reporter)
    graph = run.render()
    graph.check()
    graph.refuse_foreign()
    with run.profile("preparation"):
        options.before(graph)
    providers = Providers(graph.providers())
    with run.connect(providers) as kube:
        from filewallball.engine.ownership import guards

        store = Store(kube, run.project.name, stack)
        with exclusively(kube, store.name, run.result, run.reporter, run.halt):
            # read under the lock: the run that held it before may have written or deleted it at its end
            found = store.load_own(take_over=options.take_over)
            record = found or Record()
            session = Session(
                kube, run.project.name, stack, run.reporter.redactor, take_over=options.take_over
            )
            with run.profile("reading the cluster"):
                session.prefetch(record.kinds | graph.kinds)
                guards.refuse_moves(session, graph, providers)
                guards.refuse_others(session, graph, providers, "changed")
                # written before any object is, so that a run that dies leaves nothing behind unseen
                if not graph.kinds <= record.kinds:
                    store.save(Record(kinds=record.kinds | graph.kinds, outputs=record.outputs))
            done = False
            try:
                _apply(run, kube, store, session, providers, record.kinds | graph.kinds)
                done = not run.result.failures and not run.halt.is_set()
            finally:
                if not done:
                    _forget(run, kube, store, found, record.kinds | graph.kinds)
    return run.finish(graph)


def _forget(run: _Run, kube: Kube, store: Store, found: Record | None, kinds: set[str]) -> None:
    """After a run that failed: put the record back as it was `found`, unless something was made."""
    made = Session(kube, run.project.name, run.stack, run.reporter.redactor, take_over=False)
    with contextlib.suppress(UserError):  # the server may be what failed; the record says too much then
        made.prefetch(kinds)
        if made.live:
            return
        if found:
            store.save(found)
        else:
            store.delete()


def _apply(
    run: _Run, kube: Kube, store: Store, session: Session, providers: Providers, kinds: set[str]
) -> None:
    from filewallball.engine.applying import remove
    from filewallball.engine.applying.apply import Applier
    from filewallball.engine.ownership import guards
    from filewallball.engine.program import runner

    observer = Observer(kube)
    waiter = Waiter(kube, observer, run.halt)
    applier = Applier(session, providers, waiter, run.reporter, run.halt)
    remover = remove.Remover(session, waiter, run.reporter, run.halt)
    left = remove.aside(session)
    try:
        with run.profile("program and API"):
            monitor = runner.run(
                run.project, run.stack, run.config, applier, run.reporter.redactor, dry_run=False
            )
        run.result.failures += applier.failures
        if not run.result.failures and not run.halt.is_set():
            with run.profile("deletions"):
                over = remove.undeclared(session, applier.declared)
                occupied = guards.occupied(session, over)
                gone, kept, protected = remove.split(over, occupied)
                if protected:
                    raise remove.protection_error(protected)
                remover.delete(gone)
                left += remover.let_go(kept, occupied, applier.declared)
            run.result.failures += remover.failures
    finally:
        observer.close()
        run.result.steps += [*applier.steps, *remover.steps]
    outputs = public_outputs(monitor.stack_outputs, monitor.secret_outputs, run.reporter.redactor)
    if not run.result.failures and not run.halt.is_set():
        run.result.outputs = outputs
        now = {key.group_kind for key in [*applier.declared, *map(key_of, left)]}
        if outputs or now != kinds:
            store.save(Record(kinds=now, outputs=outputs))


def destroy(
    root: Path, stack: str, options: Options | None = None, reporter: Reporter | None = None
) -> Result:
    """Delete the stack's objects, except for retained ones (unless `purge`). Refuses if any is protected."""
    options = options or Options()
    run = _Run.begin("destroy", root, stack, options, reporter)
    graph = run.render()
    providers = Providers(graph.providers())
    with run.connect(providers) as kube:
        store = Store(kube, run.project.name, stack)
        with exclusively(kube, store.name, run.result, run.reporter, run.halt):
            record = store.load_own()
            session = Session(kube, run.project.name, stack, run.reporter.redactor, take_over=False)
            session.prefetch((record or Record()).kinds | graph.kinds)
            if not session.live:
                from filewallball.engine.ownership import guards

                guards.refuse_others(session, graph, providers, "deleted")
            if record or session.live:
                _remove(run, kube, store, session, options)
            else:
                run.reporter.line(f"    nothing of this stack is on {kube.context}")
    return run.finish()


def _remove(run: _Run, kube: Kube, store: Store, session: Session, options: Options) -> None:
    from filewallball.engine.applying import remove
    from filewallball.engine.ownership import guards

    objects = list(session.live.values())
    occupied = guards.occupied(session, objects)
    gone, kept, protected = remove.split(objects, occupied, purge=options.purge)
    if protected:
        raise remove.protection_error(protected)
    if gone and not options.confirm(sorted(str(key_of(obj)) for obj in gone)):
        raise UserError("Nothing was deleted")
    observer = Observer(kube)
    remover = remove.Remover(session, Waiter(kube, observer, run.halt), run.reporter, run.halt)
    with run.profile("deletions"):
        remover.delete(gone)
    observer.close()
    remover.keep(kept, occupied)
    run.result.steps, run.result.failures = remover.steps, [*run.result.failures, *remover.failures]
    if not run.result.failures and not run.halt.is_set():
        if kept:
            store.save(Record(kinds={key_of(obj).group_kind for obj in kept}))
        else:
            store.delete()


def render_sealed(root: Path, stack: str, reporter: Reporter) -> Graph:
    """As `render`, also where secret values can't be opened: with a stand-in for each of them."""
    return _Run.begin("render", root, stack, Options(sealed=True), reporter).render()
