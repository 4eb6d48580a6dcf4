"""`templates` in a stack file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from discovery.templates import render_requests
from specs.file.load import load_files, load_stack
from specs.model.errors import StackError
from specs.model.stack import Template
from specs.rules import template_trial

HEAD = "name: shop\nservices:\n  web:\n    image: acme/web:1\n    templates:\n"


def load(lines: str, **more: str) -> tuple[Template, ...]:
    return load_stack(HEAD + lines, name=None, variables=more).groups[0].container.templates


def test_a_trial_renders_with_what_agents_render_with() -> None:
    """specs may not import discovery, so both name it."""
    assert template_trial.TARGET == render_requests.TARGET
    assert template_trial.LIBRARIES == render_requests.LIBRARIES


def test_a_template_in_the_stack_file_and_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.tmpl").write_text("$host {{ endpoints('auth') }}\n", encoding="utf-8")
    path = tmp_path / "shop.yml"
    path.write_text(
        HEAD
        + "      - {source: a.tmpl, target: /etc/a.conf, mode: 640, on_change: signal HUP}\n"
        + "      - {content: '{{ slot }} ${X} $$x', target: b, on_change: {command: [nginx, -s, reload]}}\n",
        encoding="utf-8",
    )
    stack = load_files(path, name=None, variables={"X": "1"})
    assert stack.groups[0].container.templates == (
        # What stands in a file of its own is not looked through for variables.
        Template(target="/etc/a.conf", content="$host {{ endpoints('auth') }}\n", mode=0o640, signal="SIGHUP"),
        Template(target="b", content="{{ slot }} 1 $x", command=("nginx", "-s", "reload")),
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{target: /a}", "wanted one of source (a file) and content"),
        ("{content: x}", "wanted the key target"),
        ("{source: a, target: /a}", "source is read where the stack file is a file; give content here"),
        ("{content: x, target: /a, mode: 8}", "wanted permissions of three octal digits"),
        ("{content: x, target: /a, on_change: reload}", "wanted none, `signal HUP`, or a mapping"),
        (
            "{content: x, target: /a, on_change: restart}",
            "restart is refused: tasks are replaced at their group's pace",
        ),
        ("{content: x, target: /a, on_change: {run: x}}", "got the keys run"),
        ("{content: x, target: ../a}", "wanted the path of a file, without .. and colons"),
        ("{content: '{% if %}', target: /a}", "/a cannot be understood: line 1: "),
        ("{content: x, targt: /a}", "did you mean target?"),
        ("{content: '{{ \"x\" * 1500000000 }}', target: /a}", "/a takes more than 128 MiB of memory, which no agent"),
        (
            '{content: \'{% for each in endpoints("a") %}{{ "x" * 1500000000 }}{% endfor %}\', target: /a}',
            "/a takes more than 128 MiB of memory",
        ),
        (
            "{content: '{{ env.X }}{% for a in range(90000) %}{% for b in range(90000) %}{% for c in range(90000) %}"
            "{% endfor %}{% endfor %}{% endfor %}', target: /a}",
            "/a takes more than 2 s of processor time, which no agent gives a template",
        ),
        (
            "{content: '{% for a in range(2000) %}{{ \"x\" * 1000 }}{% endfor %}', target: /a}",
            "/a becomes too long: wanted at most 1,048,576 characters, got 2,000,000",
        ),
        ("{content: '{{ " + "(" * 5000 + "', target: /a}", "/a cannot be understood: it is nested too deep"),
    ],
)
def test_what_is_refused(line: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("specs.rules.template_trial.ALL_SECONDS", 600.0)  # however busy the machine is
    with pytest.raises(StackError) as caught:
        load(f"      - {line}\n")
    assert words in str(caught.value)


def test_two_for_one_place_and_one_without_a_container() -> None:
    one = "      - {content: x, target: /a}\n"
    with pytest.raises(StackError, match="/a is the target of two templates"):
        load(one + one)
    with pytest.raises(StackError, match="/a is the target of a volume too"):
        load(f"{one}    volumes: ['/x:/a']\n")
    with pytest.raises(StackError, match="templates are for containers"):
        load_stack(HEAD.replace("image: acme/web:1", "command: sleep 1") + one, name=None, variables={})


def test_names_that_may_be_there_when_it_counts_are_no_fault() -> None:
    content = "{{ endpoints('auth')[9].address }} {{ leader('auth').port }} {{ env.NOWHERE }} {{ nothing }}"
    (found,) = load(f'      - {{content: "{content}", target: /a}}\n')
    assert found.content == content


def test_no_process_computes_templates_that_others_share() -> None:
    program = (
        "import sys\nfrom specs.file.load import load_stack\n"
        f"load_stack({HEAD!r} + '      - {{content: x, target: /a}}', name=None, variables={{}})\n"
        "sys.exit('jinja2' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_trial_of_a_stack_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("specs.rules.template_trial.ALL_SECONDS", 0.0)
    lines = "".join(f"      - {{content: one of many {number}, target: /{number}}}\n" for number in range(3))
    with pytest.raises(StackError) as caught:
        load(lines)
    assert str(caught.value).count("is not reached in a trial") == 1
