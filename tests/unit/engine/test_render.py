"""Programs run without a cluster: the graph, its options, its faults, and the tree."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from filewallball.engine import Reporter, Result, render
from filewallball.engine.commands import render as render_command
from filewallball.engine.program.graph import Providers
from filewallball.engine.program.resources import Key, Resource, seconds
from filewallball.engine.program.runner import ProgramError
from filewallball.engine.showing.diff import Change
from filewallball.engine.showing.steps import Step
from filewallball.errors import ConfigError, UserError
from tests.unit.small_program import HEAD


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: t\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  t:who: me\n")
    return tmp_path


def program(folder: Path, text: str) -> Path:
    (folder / "__main__.py").write_text(HEAD + text)
    return folder


def test_urns_options_and_order(folder: Path) -> None:
    graph = render(
        program(
            folder,
            """
group = Group("g")
a = thing("a", parent=group, protect=True, ignore_changes=["data"], retain_on_delete=True)
limits = pulumi.CustomTimeouts(create="1m30s")
b = thing("b", depends_on=[a], custom_timeouts=limits, delete_before_replace=True)
""",
        ),
        "dev",
    )
    by_name = {each.name: each for each in graph.resources}
    assert [each.name for each in graph.resources] == ["g", "a", "b"]
    assert by_name["a"].urn == "urn:pulumi:dev::t::t:index:Group$kubernetes:core/v1:ConfigMap::a"
    options = by_name["a"].options
    assert (options.protect, options.retain, options.ignore_changes) == (True, True, ("data",))
    assert by_name["b"].options.dependencies == (by_name["a"].urn,)
    assert by_name["b"].options.timeout("create") == 90
    assert by_name["b"].options.timeout("delete") == 600
    assert by_name["b"].options.delete_before_replace
    assert graph.kinds == {"/ConfigMap"}


def test_aliases_of_a_parent_reach_its_children(folder: Path) -> None:
    graph = render(
        program(
            folder,
            """
group = Group("new", opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="old")]))
thing("a", parent=group, aliases=[pulumi.Alias(name="z"), pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)])
""",
        ),
        "dev",
    )
    type_ = "kubernetes:core/v1:ConfigMap"
    aliases = graph.kubernetes[0].options.aliases
    assert f"urn:pulumi:dev::t::t:index:Group${type_}::z" in aliases
    assert f"urn:pulumi:dev::t::{type_}::a" in aliases
    assert graph.resources[0].options.aliases == ("urn:pulumi:dev::t::t:index:Group::old",)


def test_secrets_are_unwrapped_for_the_manifest_and_masked_in_outputs(folder: Path) -> None:
    graph = render(
        program(
            folder,
            """
password = pulumi.Output.secret("tell-nobody")
s = thing("s", {"stringData": {"p": password}, "nothing": None}, kind="Secret")
c = thing("c", {"data": {"url": pulumi.Output.concat("x://", password), "n": "1"}})
pulumi.export("plain", pulumi.Config().require("who"))
pulumi.export("hidden", password)
pulumi.export("derived", c.urn.apply(lambda _: "tell-nobody too"))
""",
        ),
        "dev",
    )
    secret, config = graph.objects()
    assert secret["data"] == {"p": "dGVsbC1ub2JvZHk="}
    assert "stringData" not in secret
    assert "nothing" not in secret
    assert config["data"] == {"url": "x://tell-nobody", "n": "1"}
    assert graph.outputs == {"plain": "me", "hidden": "[secret]", "derived": "[secret] too"}


def test_outputs_that_a_program_calls_secret_are(folder: Path) -> None:
    graph = render(
        program(
            folder,
            """
class Known(pulumi.CustomResource):
    data: pulumi.Output

metadata = {"name": "c", "namespace": "n"}
props = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"p": "tell-nobody"}}
options = pulumi.ResourceOptions(additional_secret_outputs=["data", "absent"])
c = Known("kubernetes:core/v1:ConfigMap", "c", props, options)
pulumi.export("all", c.data)
pulumi.export("one", c.data["p"])
pulumi.export("leaked", c.urn.apply(lambda _: "tell-nobody too"))
""",
        ),
        "dev",
    )
    assert graph.outputs == {"all": "[secret]", "one": "[secret]", "leaked": "[secret] too"}


def test_rendered_files_hold_no_secret(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(folder, 'thing("s", {"stringData": {"p": pulumi.Output.secret("tell-nobody")}}, kind="Secret")\n')
    render_command(folder, "dev", folder / "out", as_json=True)
    [path] = (folder / "out").iterdir()
    assert path.name == "000-secret-s.yaml"
    for text in (path.read_text(), capsys.readouterr().out):
        assert "tell-nobody" not in text
        assert "dGVsbC1ub2JvZHk=" not in text


def test_images_are_found_wherever_they_are(folder: Path) -> None:
    pod = {
        "containers": [{"name": "a", "image": "one:1"}],
        "initContainers": [{"name": "b", "image": "two:2"}],
    }
    graph = render(program(folder, f'thing("p", {{"spec": {{"template": {{"spec": {pod!r}}}}}}})\n'), "dev")
    assert graph.images() == ["one:1", "two:2"]


def test_what_is_no_kubernetes_object_is_refused_with_the_way_out(folder: Path) -> None:
    graph = render(program(folder, 'pulumi.CustomResource("aws:s3/bucket:Bucket", "b", {})\n'), "dev")
    with pytest.raises(UserError, match=r"aws:s3/bucket:Bucket b[\s\S]*Install the Pulumi CLI"):
        graph.refuse_foreign()


def test_two_declarations_of_one_object_are_refused(folder: Path) -> None:
    text = 'thing("a")\nthing("b", {"metadata": {"name": "a", "namespace": "n"}})\n'
    with pytest.raises(UserError, match="Two resources declare the same ConfigMap a"):
        render(program(folder, text), "dev").check()


def test_providers_must_agree(folder: Path) -> None:
    same = render(
        program(folder, 'Provider("a", context="x")\nProvider("b", context="x", namespace="m")\n'), "dev"
    )
    assert Providers(same.providers()).context == "x"
    differ = render(program(folder, 'Provider("a", context="x")\nProvider("b", context="y")\n'), "dev")
    with pytest.raises(ConfigError, match="name different clusters: a, b"):
        Providers(differ.providers())


def test_what_the_engine_lacks_is_refused_loudly(folder: Path) -> None:
    with pytest.raises(UserError, match="cannot call the provider function aws:index:getCallerIdentity"):
        render(program(folder, 'pulumi.runtime.invoke("aws:index:getCallerIdentity", {}).value\n'), "dev")
    with pytest.raises(UserError, match="transforms"):
        render(program(folder, "pulumi.runtime.register_resource_transform(lambda args: None)\n"), "dev")


def test_a_bug_shows_the_programs_own_frames(folder: Path) -> None:
    (folder / "helper.py").write_text("def divide(x):\n    return 1 / x\n")
    with pytest.raises(ProgramError) as caught:
        render(program(folder, "import helper\nhelper.divide(0)\n"), "dev")
    text = str(caught.value)
    assert "helper.divide(0)" in text
    assert "return 1 / x" in text
    assert "\nZeroDivisionError: division by zero\n" in text
    assert "runpy" not in text
    assert "site-packages" not in text


def test_settings_errors_are_configuration_errors(folder: Path) -> None:
    text = 'class SettingsError(Exception):\n    pass\n\nraise SettingsError("redis.maxmemory: is wrong")\n'
    with pytest.raises(ConfigError, match=r"^redis.maxmemory: is wrong$"):
        render(program(folder, text), "dev")


def test_one_program_after_another_in_one_process(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name, root in (("first", folder), ("second", other)):
        (root / "Pulumi.yaml").write_text("name: t\nruntime: python\n")
        (root / "Pulumi.dev.yaml").write_text("")
        (root / "helper.py").write_text(f"NAME = {name!r}\n")
        assert [
            each.name
            for each in render(program(root, "import helper\nthing(helper.NAME)\n"), "dev").resources
        ] == [name]


def test_a_program_with_facts_of_its_own_sees_those(folder: Path) -> None:
    """Another version of the program may be rendered, and disagree with this process."""
    import facts.redis as ours

    (folder / "facts").mkdir()
    (folder / "facts/__init__.py").write_text("")
    (folder / "facts/redis.py").write_text("NAME = 'theirs'\n")
    (folder / "facts/more.py").write_text("")
    graph = render(program(folder, "import facts.redis, facts.more\nthing(facts.redis.NAME)"), "dev")
    assert [each.name for each in graph.resources] == ["theirs"]
    assert sys.modules["facts.redis"] is ours
    assert "facts.more" not in sys.modules


def test_the_tree() -> None:
    out = io.StringIO()
    group = Resource("urn:g", "t:index:Group", "g", custom=False)
    child = Resource("urn:a", "k", "a", parent="urn:g")
    last = Resource("urn:b", "k", "b", parent="urn:g")
    steps = [
        Step(group, "component"),
        Step(child, "update", Key("", "ConfigMap", "n", "a"), [Change(("data", "x"), "1", None)]),
        Step(last, "create", Key("", "ConfigMap", "n", "b")),
        Step(Resource("urn:c", "k", "c"), "replace", Key("batch", "Job", "n", "c"), note="it had failed"),
        Step(Resource("urn:d", "k", "d"), "delete", Key("", "Namespace", "", "d")),
    ]
    reporter = Reporter(out, show_diff=True)
    reporter.tree(steps)
    assert out.getvalue().splitlines() == [
        "    t:index:Group g",
        "  ~ ├─ ConfigMap n/a",
        '    │    data.x: - "1"',
        "  + └─ ConfigMap n/b",
        " +- Job n/c  (it had failed)",
        "  - Namespace d",
    ]


def test_a_result_as_data_is_redacted() -> None:
    reporter = Reporter(quiet=True)
    reporter.redactor.add("tell-nobody")
    result = Result("up", "t", "dev", reporter.redactor, failures=["log: tell-nobody"])
    result.steps = [
        Step(Resource("urn:a", "k", "a"), "update", changes=[Change(("a",), None, "tell-nobody")])
    ]
    assert result.exit_code == 1
    assert "tell-nobody" not in str(result.as_json())


@pytest.mark.parametrize(
    ("text", "value"), [("", 0), ("90s", 90), ("1h30m", 5400), ("1m0.5s", 60.5), ("250ms", 0.25)]
)
def test_go_durations(text: str, value: float) -> None:
    assert seconds(text) == value
