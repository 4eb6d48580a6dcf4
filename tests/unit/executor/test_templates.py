"""Files with the addresses of others: how they are written, what the task is told, and of what its status tells."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from discovery.endpoints import Endpoint
from discovery.readers.directory import Snapshot
from executor import templates as module
from executor.core import commands as do
from executor.core import events as on
from executor.runtime import Fault
from executor.templates import Templates
from specs.model.stack import Container, Template
from specs.permanence import Permanent
from tests.kit.executor_talk import Talk, only, order
from tests.kit.template_endpoints import endpoint, groups

AUTH = endpoint("shop/auth", 1), endpoint("shop/auth", 2)
BOUND = Template(target="/etc/app.conf", content="all {{ endpoints('auth') }}\n", mode=0o600, signal="SIGHUP")
BELOW = Template(target="conf.d/first", content="{{ endpoints('auth')[0] }}", command=("reload",))
ORDER = order(container=Container(image="acme/web:1", templates=(BOUND, BELOW)))


class FakeDirectory:
    """A directory that the test fills."""

    def __init__(self, _url: str, on_change: Callable[[Snapshot], None]) -> None:
        self.snapshot = Snapshot(serial=1, groups=groups(*AUTH))
        self._on_change = on_change
        self.url = _url

    def wait(self, _seconds: float) -> Snapshot:
        return self.snapshot

    def fill(self, *endpoints: Endpoint) -> None:
        self.snapshot = Snapshot(serial=self.snapshot.serial + 1, groups=groups(*endpoints))
        self._on_change(self.snapshot)


class Place:
    """An executor's sandbox, its templates, and what they post."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.posted: queue.SimpleQueue[on.Event] = queue.SimpleQueue()
        self.directories: list[FakeDirectory] = []

        def make(url: str, on_change: Callable[[Snapshot], None]) -> FakeDirectory:
            self.directories.append(FakeDirectory(url, on_change))
            return self.directories[-1]

        monkeypatch.setattr(module, "Directory", make)
        monkeypatch.setattr(module, "GATHER_SECONDS", 0.01)
        self.templates = Templates(root, "etcd://b:2/f zk://a:1/f", self.posted.put)

    def heard(self) -> on.Event:
        return self.posted.get(timeout=20)

    def files(self) -> Path:
        return self.root / "templates" / ORDER.task_id


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def test_files_are_written_before_the_start_and_again_when_endpoints_change(place: Place) -> None:
    files = place.files()
    assert place.templates.prepare(ORDER) == (
        f"{files}/files:/mnt/mesos/templates:ro",
        f"{files}/bound/0:/etc/app.conf:ro",
    )
    bound, below = files / "bound" / "0", files / "files" / "conf.d" / "first"
    assert (bound.read_text(), below.read_text()) == ("all 10.0.0.1:31000,10.0.0.2:31000\n", "10.0.0.1:31000")
    assert (bound.stat().st_mode & 0o777, below.stat().st_mode & 0o777) == (0o600, 0o644)
    node = bound.stat().st_ino
    place.directories[0].fill(AUTH[0])
    assert place.heard() == on.TemplatesRendered(task_id=ORDER.task_id, changed=(0,))
    assert (bound.read_text(), bound.stat().st_ino) == ("all 10.0.0.1:31000\n", node)
    place.directories[0].fill(AUTH[1])
    assert place.heard() == on.TemplatesRendered(task_id=ORDER.task_id, changed=(0, 1))
    assert below.read_text() == "10.0.0.2:31000"
    assert [each.url for each in place.directories] == ["zk://a:1/f"]
    place.templates.end(ORDER.task_id)
    assert not files.exists()


def test_what_does_not_render_stays_what_it_was_until_it_does(place: Place) -> None:
    place.templates.prepare(ORDER)
    place.directories[0].fill()
    heard = place.heard()
    assert isinstance(heard, on.TemplatesRendered)
    assert heard.changed == (0,)
    assert heard.fault.startswith("template conf.d/first does not render: ")
    assert heard.fault.endswith("; it stays as it was")
    assert (place.files() / "files" / "conf.d" / "first").read_text() == "10.0.0.1:31000"
    place.directories[0].fill(*AUTH)
    assert place.heard() == on.TemplatesRendered(task_id=ORDER.task_id, changed=(0,))


def test_a_task_that_is_taken_over_goes_on_with_its_files(place: Place, tmp_path: Path) -> None:
    old = tmp_path / "dead" / "templates" / "old"
    (old / "files" / "conf.d").mkdir(parents=True)
    (old / "bound").mkdir()
    (old / "files" / "conf.d" / "first").write_text("10.0.0.1:31000")
    (old / "bound" / "0").write_text("all of before, which was longer than what there is now\n")
    place.templates.resume(ORDER, [{"Destination": "/mnt/mesos/templates", "Source": str(old / "files")}])
    assert place.heard() == on.TemplatesRendered(task_id=ORDER.task_id, changed=(0,))
    assert (old / "bound" / "0").read_text() == "all 10.0.0.1:31000,10.0.0.2:31000\n"


def test_what_keeps_a_task_from_its_start(place: Place, tmp_path: Path) -> None:
    bad = order(container=Container(image="x", templates=(Template(target="/a", content="{{ nothing }}"),)))
    with pytest.raises(Fault, match="template /a does not render: 'nothing' is undefined"):
        place.templates.prepare(bad)
    assert not place.files().exists()
    with pytest.raises(Fault, match="want endpoints in ZooKeeper, and the scheduler has none published there"):
        Templates(tmp_path, "", place.posted.put).prepare(ORDER)
    assert place.templates.prepare(order()) == ()


BOMB = Template(target="/bomb", content="{% if endpoints('auth') | length > 1 %}{{ 'x' * 1500000000 }}{% endif %}")


def test_a_template_that_takes_too_much_fails_its_task_for_good_and_no_other(place: Place) -> None:
    with pytest.raises(Fault, match="template /bomb does not render: it takes more than 128 MiB of memory") as caught:
        place.templates.prepare(order("bad", Container(image="x", templates=(BOMB,))))
    assert caught.value.permanent == Permanent.BAD_SETTINGS
    assert place.templates.prepare(ORDER)


def test_the_templates_of_a_task_have_a_time_together(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TASK_SECONDS", 0.0)
    with pytest.raises(Fault, match="the templates of the task take more than"):
        place.templates.prepare(ORDER)


def test_one_that_comes_to_take_too_much_stays_as_it_was_and_is_left_alone_for_a_while(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = order(container=Container(image="x", templates=(BOMB, BOUND)))
    place.templates.prepare(order("other", Container(image="x")))
    place.directories.clear()
    monkeypatch.setattr(FakeDirectory, "wait", lambda self, _seconds: Snapshot(serial=1, groups=groups(AUTH[0])))
    place.templates.prepare(two)
    directory = place.directories[0]
    directory.fill(*AUTH)
    fault = "template /bomb does not render: it takes more than 128 MiB of memory; it stays as it was"
    assert place.heard() == on.TemplatesRendered(task_id=two.task_id, changed=(1,), fault=fault)
    directory.fill(AUTH[0])
    assert place.heard() == on.TemplatesRendered(task_id=two.task_id, changed=(1,), fault=fault)
    assert (place.files() / "bound" / "0").read_text() == ""


def test_a_task_that_is_to_stop_waits_for_no_template(place: Place) -> None:
    content = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}"
    endless = order("endless", Container(image="x", templates=(Template(target="/a", content=content),)))
    place.templates.prepare(ORDER)  # the process runs
    faults: queue.SimpleQueue[str] = queue.SimpleQueue()

    def prepare() -> None:
        try:
            place.templates.prepare(endless)
        except Fault as fault:
            faults.put(str(fault))

    thread = threading.Thread(target=prepare)
    thread.start()
    while thread.is_alive():
        place.templates.cancel(endless.task_id)
    fault = faults.get(timeout=1)
    assert "takes" not in fault, "it was broken off, not given up for what it took"
    assert place.templates.prepare(order("next", ORDER.container))


def test_what_is_to_stop_while_it_is_created_says_so() -> None:
    talk = Talk()
    talk.launch(ORDER)
    heard = talk.tell(on.KillReceived(task_id=ORDER.task_id))
    assert only(do.CancelTemplates, heard) == [do.CancelTemplates(order=ORDER)]
    other = Talk()
    other.launch(order())
    assert not only(do.CancelTemplates, other.tell(on.KillReceived(task_id=order().task_id)))


def rendered(*changed: int, fault: str = "") -> on.TemplatesRendered:
    return on.TemplatesRendered(task_id=ORDER.task_id, changed=changed, fault=fault)


def test_the_task_is_told_once_in_each_way_that_it_wants() -> None:
    twice = order(container=Container(image="x", templates=(BOUND, BELOW, BOUND, Template(target="/q", content=""))))
    talk = Talk()
    talk.run(twice)
    heard = only(do.Notify, talk.tell(rendered(0, 1, 2, 3)))
    assert [(each.signal, each.command) for each in heard] == [("SIGHUP", ()), ("", ("reload",))]


def test_what_changed_before_it_ran_is_made_up_for() -> None:
    talk = Talk()
    talk.launch(ORDER)
    talk.tell(on.Created(task_id=ORDER.task_id, container_id="c" * 64))
    assert only(do.Notify, talk.tell(rendered(0))) == []
    heard = talk.tell(on.Started(task_id=ORDER.task_id, addresses=()))
    assert [each.signal for each in only(do.Notify, heard)] == ["SIGHUP"]


def test_its_status_tells_of_what_does_not_render_until_it_does() -> None:
    talk = Talk()
    talk.run(ORDER)
    before = len(talk.statuses)
    talk.tell(rendered(fault="template /a does not render"))
    talk.tell(rendered(0, fault="template /a does not render"))
    talk.tell(on.Notified(task_id=ORDER.task_id))
    talk.tell(rendered(1))
    talk.tell(on.Notified(task_id=ORDER.task_id, fault="a file has changed, and its command failed"))
    assert [(each.state, each.message) for each in talk.statuses[before:]] == [
        ("RUNNING", "template /a does not render"),
        ("RUNNING", "its templates are as they should be again"),
        ("RUNNING", "a file has changed, and its command failed"),
    ]
