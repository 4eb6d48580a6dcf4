"""The house rules, as tables: who may import whom, what is pure, what is generated, what is documented.

A rule that a module has to break is named in its table together with the reason.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("framework", "executor", "placement", "discovery", "specs")
TOP_LEVEL = {
    *PACKAGES,
    *(
        "tests",
        "setup.py",
        "requirements.lock",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "docs",
    ),
    *("pyproject.toml", ".ci", ".gitignore", ".git"),
}
MAX_LINES = 800
GENERATED = {"specs/records_pb2.py", "specs/records_pb2.pyi"}

# What a room that is pure may not see of the standard library: the world, time and chance.
WORLD = frozenset(
    {
        *("asyncio", "concurrent", "datetime", "fcntl", "glob", "http", "io", "logging", "multiprocessing", "os"),
        *("pathlib", "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess"),
        *("sys", "tempfile", "threading", "time", "urllib", "uuid"),
    }
)
PROTOBUF = {"google"}
RECORDS = ("packing", "spec_records", "records")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The imports of modules below `name`. `ours` and `lazily` name modules, or packages with all below them.

    `lazily` may be imported inside functions only. `libraries` are top-level names of what others wrote.
    """

    name: str
    ours: tuple[str, ...] = ()
    lazily: tuple[str, ...] = ()
    libraries: frozenset[str] | set[str] = frozenset()
    is_pure: bool = False


SHARED = tuple(
    f"specs.{each}"
    for each in (
        *("addresses", "executor_ids", "foreign_json", "ids", "messages", "permanence", "plain_text", "states"),
        *("suggestions", "urls"),
    )
)

# The most specific room counts.
ROOMS = (
    # What everybody shares, and what a stack is; above that the rules, and above those the reading of files.
    Room(name="specs", ours=("specs",)),
    *(Room(name=shared, ours=SHARED, is_pure=True) for shared in SHARED),
    Room(name="specs.model", ours=("specs.model", *SHARED), is_pure=True),
    Room(name="specs.model.patterns", ours=("specs.model",), libraries={"re2"}, is_pure=True),
    Room(
        name="specs.rules",
        ours=("specs.model", "specs.rules", *SHARED),
        is_pure=True,
    ),
    Room(name="specs.rules.template_trial", ours=("specs.confined", "specs.model", "specs.rules")),
    # Of signal and pathlib they take names of signals and the form of paths.
    *(
        Room(name=f"specs.rules.{each}", ours=("specs.model", "specs.rules", *SHARED))
        for each in ("container_rules", "template_rules")
    ),
    Room(name="specs.file", ours=("specs.file", "specs.model", "specs.rules", *SHARED)),
    *(Room(name=f"specs.file.{each}", ours=("specs",), libraries={"yaml"}) for each in ("source", "load")),
    Room(name="specs.records_pb2", libraries=PROTOBUF),
    Room(name="specs.generate", ours=("specs",), libraries={"grpc_tools"}),
    Room(name="placement", ours=("placement", "specs"), is_pure=True),
    Room(name="discovery"),
    Room(name="discovery.endpoints", ours=("specs",), is_pure=True),
    Room(name="discovery.executor_addresses", ours=("specs",), is_pure=True),
    Room(
        name="discovery.backends",
        ours=("discovery.backends", "discovery.endpoints", "discovery.executor_addresses", "specs"),
        libraries={"kazoo", "requests"},
    ),
    Room(
        name="discovery.backends.theseus",
        ours=("discovery.backends", "discovery.endpoints", "specs"),
        libraries={"requests"},
    ),
    Room(name="discovery.backends.theseus.layout", ours=("discovery.endpoints", "specs"), is_pure=True),
    Room(
        name="discovery.readers",
        ours=("discovery.backends", "discovery.endpoints", "discovery.readers", "specs"),
        libraries={"kazoo"},
    ),
    Room(
        name="discovery.dns",
        ours=("discovery.dns", "discovery.endpoints", "discovery.readers", "specs"),
        libraries={"dns"},
    ),
    Room(name="discovery.dns.names", ours=("discovery.endpoints", "specs"), is_pure=True),
    Room(
        name="discovery.balancer",
        ours=("discovery.balancer", "discovery.endpoints", "discovery.readers", "specs"),
    ),
    Room(
        name="discovery.balancer.certificates",
        ours=("discovery.balancer", "specs"),
        libraries={"cryptography"},
        is_pure=True,
    ),
    Room(
        name="discovery.balancer.source",
        ours=("discovery.balancer", "discovery.endpoints", "discovery.readers", "specs"),
        libraries=PROTOBUF,
    ),
    *(
        Room(
            name=f"discovery.balancer.{pure}", ours=("discovery.balancer", "discovery.endpoints", "specs"), is_pure=True
        )
        for pure in ("model", "lines", "haproxy_text", "nginx_text")
    ),
    Room(name="discovery.templates", ours=("discovery.templates", "discovery.endpoints", "specs"), is_pure=True),
    Room(
        name="discovery.templates.render",
        ours=("discovery.templates.render_requests", "discovery.endpoints", "specs"),
        libraries={"jinja2"},
        is_pure=True,
    ),
    Room(name="framework"),
    Room(name="framework.core", ours=("framework.core", "specs", "placement", "discovery.endpoints"), is_pure=True),
    *(
        Room(
            name=f"framework.core.{room}",
            ours=(
                *(f"framework.core.{each}" for each in ("model", "events", "commands", "volatile", room, *below)),
                *("specs", "placement", "discovery.endpoints"),
            ),
            is_pure=True,
        )
        for room, below in (
            ("state", ()),
            ("groups", ("state",)),
            ("stacks", ("state",)),
            ("launch", ("state", "groups")),
            ("rollout", ("state", "groups", "stacks", "launch", "views")),
            ("converge", ("state", "groups", "stacks", "launch", "rollout", "views")),
            ("read", ("state", "groups", "stacks", "launch", "rollout", "converge", "views")),
        )
    ),
    Room(name="framework.exits"),
    Room(name="framework.config", ours=("specs",)),
    Room(
        name="framework.endpoint_upkeep",
        ours=("discovery", "framework.core.views", "framework.core.volatile", "framework.ports", "specs"),
    ),
    Room(
        name="framework.ports",
        ours=("specs.ids", *(f"framework.core.{each}" for each in ("commands", "events", "model", "views"))),
    ),
    # What tasks use: its form, who asks for it, and the way to whom is asked.
    Room(name="framework.usage", ours=("discovery.executor_addresses", "specs"), is_pure=True),
    Room(
        name="framework.collector",
        ours=("framework.core", "framework.ports", "framework.usage", "specs"),
    ),
    Room(name="framework.meter", ours=("framework.core", "specs"), libraries={"prometheus_client"}),
    Room(
        name="framework.adapters.usage",
        ours=("framework.usage", "discovery.executor_addresses", "specs"),
        libraries={"kazoo"},
    ),
    Room(name="framework.loop", ours=("framework.core", "framework.ports", "framework.exits", "specs")),
    *(
        Room(
            name=f"framework.adapters.{adapter}",
            ours=(
                *("framework.core.commands", "framework.core.events", "framework.core.model", "framework.ports"),
                *("placement.offer", "placement.reservation_pools", "specs"),
                *(f"framework.adapters.{each}" for each in allowed),
            ),
            libraries=set(libraries),
            is_pure=is_pure,
        )
        for adapter, allowed, libraries, is_pure in (
            ("packing", (), PROTOBUF, True),
            ("spec_records", ("packing",), (), True),
            ("records", ("packing", "spec_records"), (), True),
            ("codec", ("mesos_config", "mesos_resources"), {"addict", "orjson"}, True),
            ("histories", (*RECORDS,), (), True),
            ("nodes", (*RECORDS, "histories"), (), True),
            ("image", (*RECORDS, "nodes"), (), True),
            ("marks", (*RECORDS,), (), True),
            ("clock", (), (), False),
            # The store is cut into the connection, what is read, and what is written.
            ("ensemble", (), {"kazoo"}, False),
            ("reading", (*RECORDS, "histories", "nodes", "image", "marks", "ensemble"), {"kazoo"}, False),
            ("election", (*RECORDS, "nodes", "marks", "ensemble"), {"kazoo"}, False),
            # What is in a store, what is wrong with it, and the file that it is backed up to.
            ("checking", (*RECORDS, "histories", "nodes", "marks"), (), True),
            ("backup_file", ("nodes", "checking"), (), False),
            ("snapshot", ("nodes", "marks", "ensemble", "checking"), {"kazoo"}, False),
            (
                "restoring",
                (*RECORDS, "nodes", "image", "marks", "ensemble", "checking", "backup_file", "snapshot"),
                {"kazoo"},
                False,
            ),
            ("term", (*RECORDS, "nodes", "image", "marks", "ensemble", "reading"), {"kazoo"}, False),
            (
                "zookeeper",
                (*RECORDS, "nodes", "image", "ensemble", "reading", "election", "term"),
                {"kazoo"},
                False,
            ),
        )
    ),
    # The driver is cut into many modules that see one another; kazoo only finds the leading master.
    Room(
        name="framework.adapters.mesos",
        ours=(
            *("framework.core.commands", "framework.core.events", "framework.core.model", "framework.ports"),
            *("placement.agent", "placement.offer", "specs", "framework.adapters.codec", "framework.adapters.mesos"),
        ),
        libraries={"pymesos", "addict", "orjson"},
    ),
    Room(
        name="framework.adapters.mesos_detector",
        ours=("framework.ports", "framework.adapters.mesos", "specs.foreign_json"),
        libraries={"kazoo", "pymesos"},
    ),
    Room(
        name="framework.adapters.mesos_operator",
        ours=("framework.ports", "framework.adapters.mesos_config", "specs"),
        libraries={"orjson"},
    ),
    Room(name="framework.adapters.mesos_config", ours=("specs",), is_pure=True),
    Room(
        name="framework.adapters.mesos_resources",
        ours=("placement.offer", "specs"),
        libraries={"orjson"},
        is_pure=True,
    ),
    Room(
        name="framework.adapters.mesos_report",
        ours=(
            *("framework.adapters.codec", "framework.adapters.mesos_resources"),
            *("placement.agent", "specs"),
        ),
        libraries={"orjson"},
        is_pure=True,
    ),
    # The API: the application and its server; below them its rooms.
    Room(
        name="framework.api",
        ours=(
            *("framework.api", "framework.web", "framework.ports", "framework.usage", "specs"),
            *(f"framework.core.{each}" for each in ("model", "views", "volatile")),
        ),
        libraries={"fastapi", "starlette", "pydantic", "uvicorn", "anyio"},
    ),
    Room(
        name="framework.api.answers",
        ours=(
            *("framework.api.answers", "framework.api.info"),
            *("framework.ports", "framework.usage", "framework.collector", "specs"),
            *(
                f"framework.core.{each}"
                for each in ("commands", "model", "views", "volatile", "read", "state.task_stories")
            ),
            *("placement.agent", "placement.explanation"),
        ),
        libraries={"pydantic", "starlette", "orjson", "typing_extensions"},
    ),
    Room(
        name="framework.api.guard",
        ours=(
            *(f"framework.api.{each}" for each in ("answers.base", "answers.done", "errors", "guard", "info")),
            *("framework.core.commands", "framework.core.events", "framework.core.model", "framework.ports"),
            *("framework.core.stacks.repeated_requests", "specs"),
        ),
        libraries={"fastapi", "starlette", "uvicorn"},
    ),
    Room(
        name="framework.api.routes",
        ours=(
            *(f"framework.api.{each}" for each in ("answers", "errors", "guard", "info", "routes", "threads")),
            *("framework.ports", "framework.usage", "framework.collector", "discovery.executor_addresses", "specs"),
            *(f"framework.core.{each}" for each in ("commands", "events", "model", "views", "volatile", "read")),
            *("framework.core.state.task_stories", "placement.agent"),
        ),
        libraries={"fastapi", "starlette", "pydantic", "anyio", "orjson", "requests"},
    ),
    Room(
        name="framework.api.standby",
        ours=(
            *(f"framework.api.{each}" for each in ("errors", "guard", "info", "standby", "threads")),
            *("framework.core.commands", "framework.core.events", "framework.core.views", "framework.core.volatile"),
            "framework.ports",
        ),
        libraries={"starlette", "anyio", "httpx"},
    ),
    Room(
        name="framework.web",
        ours=(
            *("framework.web", "framework.core.model", "framework.core.views", "framework.core.volatile"),
            *("placement.agent", "specs"),
        ),
    ),
    Room(
        name="framework.cli",
        ours=("framework.cli", "framework.exits", "specs"),
        libraries={"click", "rich", "requests"},
    ),
    Room(
        name="framework.cli.local",
        ours=("framework.cli", "framework.exits", "framework.local", "specs"),
        libraries={"click", "rich", "requests"},
    ),
    # What places without a scheduler, and the files of agents that it reads.
    *(
        Room(
            name=f"framework.cli.{each}",
            ours=("framework.cli", "framework.exits", "placement", "specs"),
            libraries={"click", "rich", "requests"},
        )
        for each in ("simulate", "fleet", "agents_file", "cluster_file")
    ),
    # What looks at the store itself, without a scheduler.
    *(
        Room(
            name=f"framework.cli.{each}",
            # Its values are named in signatures; what reads them is imported when it is needed.
            ours=("framework.cli", "framework.exits", "framework.adapters.checking", "specs"),
            lazily=(
                *(f"framework.adapters.{each}" for each in ("snapshot", "restoring", "backup_file")),
                "framework.ports",
            ),
            libraries={"click", "rich", "requests"},
        )
        for each in ("backup", "restore", "store", "store_access")
    ),
    # What follows ZooKeeper itself, without a scheduler.
    Room(
        name="framework.cli.balancer",
        ours=("framework.cli", "framework.exits", "specs"),
        lazily=("discovery.balancer",),
        libraries={"click"},
    ),
    # The server of names is in discovery; commands fill in what it is told.
    *(
        Room(
            name=f"framework.cli.{each}",
            ours=("framework.cli", "framework.exits", "discovery", "specs"),
            libraries={"click"},
        )
        for each in ("dns", "dns_tasks")
    ),
    Room(
        name="framework.cli.scheduler",
        ours=("framework.cli", "framework.exits", "specs"),
        lazily=("framework.app", "framework.config"),
        libraries={"click", "rich", "requests"},
    ),
    # The flight recorder, and what plays its journals.
    Room(name="framework.recorder", ours=("framework.core",), libraries={"orjson"}),
    Room(
        name="framework.cli.replay",
        ours=("framework.cli", "framework.exits"),
        lazily=("framework.recorder",),
        libraries={"click"},
    ),
    Room(name="framework.local", ours=("framework.local", "specs"), libraries={"click", "docker", "requests"}),
    Room(
        name="framework.app",
        ours=("framework", "executor.archive", "specs", "placement", "discovery"),
        libraries={"kazoo", "pymesos", "prometheus_client"},
    ),
    Room(
        name="executor",
        ours=("executor", "specs", "discovery"),
        libraries={"docker", "pymesos", "addict", "requests", "urllib3", *PROTOBUF},
    ),
    # What runs beside an executor has little in memory, so imports little.
    *(
        Room(
            name=f"executor.process.supervision.{each}",
            ours=(
                "executor.streams",
                *(f"executor.process.supervision.{one}" for one in ("kernel", "supervisor", "waking", "wire")),
            ),
        )
        for each in ("kernel", "spawner", "supervisor", "waking", "wire")
    ),
    Room(name="executor.core", ours=("executor.core", "specs", "discovery.endpoints"), is_pure=True),
    Room(name="executor.core.order", ours=("executor.core", "specs"), libraries=PROTOBUF, is_pure=True),
    # It takes the names of signals.
    Room(name="executor.core.task", ours=("executor.core", "specs", "discovery.endpoints")),
    *(
        Room(name=f"executor.{room}", ours=("executor", "specs"), libraries=set(libraries))
        for room, libraries in (
            ("container", ("docker", "requests", "urllib3")),
            ("process", ()),
            ("checks", ()),
            ("metrics", ("docker", "requests", "urllib3")),
        )
    ),
    Room(name="executor.http_answers", is_pure=True),
    Room(name="executor.streams", is_pure=True),
    *(
        Room(name=f"executor.metrics.{pure}", ours=("executor.core", "executor.metrics", "specs"), is_pure=True)
        for pure in ("cgroups", "exposition", "histogram", "measurement", "processes", "snapshot", "stats")
    ),
)

# Only tests, and who is named here, may import what puts everything together.
TOPS = {
    "framework.app": {"framework.cli.scheduler"},
    "executor.__main__": set[str](),
}

# Where everything may be caught, and why.
SHIELDS = {
    "framework/loop.py": "the one place where a bug of ours is caught",
    "executor/loop.py": "the executor's loop: the one place where a bug of ours is caught",
    "executor/__main__.py": "the executor's last word is its log",
    "executor/checks/performing.py": "a command that cannot be run is a failed check, and its thread goes on",
    "framework/local/cluster.py": "what was started is stopped, and the cause goes on",
    "framework/local/engine.py": "what was started is stopped, and the cause goes on",
    "framework/adapters/mesos.py": "a shield around the driver's thread",
    "framework/adapters/mesos_events.py": "a shield: one strange offer must not cost the others",
    "framework/adapters/mesos_session.py": "shields: one call that cannot be written must not cost the others",
}

# Functions of `random` that draw from the one generator that everybody shares.
SHARED_CHANCE_EXCEPT = {"Random"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """An import of `name` at `line`; inside a function or not."""

    name: str
    line: int
    is_lazy: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def our_files() -> list[Path]:
    return [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "compat" not in path.parts and "__pycache__" not in path.parts
    ]


def written_files() -> list[Path]:
    """The files that people wrote."""
    return [path for path in our_files() if where(path) not in GENERATED]


def files_of_tests() -> list[Path]:
    return sorted((ROOT / "tests").rglob("*.py"))


def kits() -> list[Path]:
    """Modules that tests share."""
    return [path for path in files_of_tests() if path.name == "conftest.py" or where(path).startswith("tests/kit/")]


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[Import]:
    yield from _imports(tree(path), module_name(path), path.name == "__init__.py", False)


def _imports(node: ast.AST, module: str, is_package: bool, is_lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        names: list[str] = []
        if isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            source = child.module or ""
            if child.level:
                above = module.split(".")[: len(module.split(".")) - child.level + is_package]
                source = ".".join([*above, *([source] if source else [])])
            names = [_imported(source, alias.name) for alias in child.names]
        elif isinstance(child, ast.Call) and "import_module" in ast.dump(child.func) and child.args:
            names = [str(child.args[0].value)] if isinstance(child.args[0], ast.Constant) else []
        for name in names:
            yield Import(name=name, line=getattr(child, "lineno", 0), is_lazy=is_lazy)
        inside = is_lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports(child, module, is_package, inside)


def _imported(source: str, name: str) -> str:
    """`from framework.core import events` imports framework.core.events; from framework.core.events only itself."""
    below = ROOT / Path(*source.split(".")) / name
    is_module = source.split(".")[0] in (*PACKAGES, "tests") and (below.with_suffix(".py").exists() or below.is_dir())
    return f"{source}.{name}" if is_module else source


def _is_test(module: str) -> bool:
    return module.rpartition(".")[2].startswith("test_")


def room_of(module: str) -> Room:
    fitting = [room for room in ROOMS if is_within(module, room.name) or _is_family(module, room.name)]
    assert fitting, f"{module}: no room in tests/test_house.py says what it may import; add one"
    return max(fitting, key=lambda room: len(room.name))


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _is_family(module: str, name: str) -> bool:
    """mesos_wire belongs to the family of mesos."""
    return name == "framework.adapters.mesos" and module.startswith("framework.adapters.mesos_")


def allowed(room: Room, imported: Import) -> bool:
    top = imported.name.split(".")[0]
    if top in PACKAGES:
        names = (*room.ours, *room.lazily) if imported.is_lazy else room.ours
        return any(is_within(imported.name, name) or _is_family(imported.name, name) for name in names)
    if top in sys.stdlib_module_names:
        return not (room.is_pure and top in WORLD)
    return top in room.libraries


def found(faults: list[str]) -> None:
    assert not faults, f"{len(faults)} broken:\n" + "\n".join(faults)


class TestImports:
    def test_everybody_imports_only_what_its_room_may(self) -> None:
        found(
            [
                f"{where(path)}:{each.line} imports {each.name}{' inside a function' if each.is_lazy else ''},"
                f" which the room {room_of(module_name(path)).name} may not"
                for path in our_files()
                for each in imports(path)
                if not allowed(room_of(module_name(path)), each)
            ]
        )

    def test_nobody_imports_what_puts_everything_together(self) -> None:
        found(
            [
                f"{where(path)}:{each.line} imports {each.name}; only {sorted(users) or 'tests'} may"
                for path in our_files()
                for each in imports(path)
                for top, users in TOPS.items()
                if is_within(each.name, top) and module_name(path) not in {top, *users}
            ]
        )

    def test_the_rooms_exist(self) -> None:
        """A room whose module was renamed guards nothing. Those of later rooms may be missing."""
        later: set[str] = set()
        missing = [
            room.name
            for room in ROOMS
            if room.name not in later
            and not (ROOT / Path(*room.name.split("."))).is_dir()
            and not (ROOT / Path(*room.name.split("."))).with_suffix(".py").exists()
        ]
        assert missing == []

    def test_every_library_is_required_by_setup(self) -> None:
        setup = (ROOT / "setup.py").read_text(encoding="utf-8")
        packages = {"google": "protobuf", "yaml": "pyyaml", "grpc_tools": "grpcio-tools", "re2": "google-re2"}
        packages["prometheus_client"] = "prometheus-client"
        packages["dns"] = "dnspython"
        comes_with = {"starlette": "fastapi", "pydantic": "fastapi", "anyio": "fastapi", "urllib3": "requests"}
        comes_with["typing_extensions"] = "fastapi"
        libraries = {library for room in ROOMS for library in room.libraries}
        missing = [
            library
            for library in sorted(libraries)
            if not re.search(rf'"{packages.get(library, comes_with.get(library, library))}[=><]', setup)
        ]
        assert missing == []

    @pytest.mark.parametrize(
        ("module", "name", "is_lazy", "may"),
        [
            ("specs.model.stack", "framework.core.model", False, False),
            ("specs.model.stack", "yaml", False, False),
            ("specs.ids", "os", False, False),
            ("placement.engine", "specs.model.resources", False, True),
            ("placement.engine", "time", True, False),
            ("framework.core.scheduler", "placement.engine", False, True),
            ("framework.core.scheduler", "discovery.dns.service", False, False),
            ("framework.core.scheduler", "kazoo.client", False, False),
            ("framework.core.scheduler", "logging", True, False),
            ("framework.core.scheduler", "framework.ports", False, False),
            ("framework.adapters.restoring", "framework.adapters.mesos", False, False),
            ("framework.adapters.mesos_wire", "framework.adapters.codec", False, True),
            ("framework.adapters.mesos_wire", "framework.adapters.records", False, False),
            ("framework.adapters.zookeeper", "pymesos", False, False),
            ("framework.api.routes.stacks", "framework.core.scheduler", False, False),
            ("framework.api.routes.stacks", "framework.adapters.zookeeper", True, False),
            ("framework.api.routes.stacks", "framework.core.views", False, True),
            ("framework.api.routes.stacks", "placement.engine", False, False),
            ("framework.cli.ps", "framework.core.views", False, False),
            ("framework.cli.ps", "placement.engine", False, False),
            ("framework.cli.simulate", "placement.simulation", False, True),
            ("framework.cli.simulate", "framework.core.read.plan", False, False),
            ("framework.cli.ps", "framework.local.cluster", False, False),
            ("framework.cli.scheduler", "framework.app", True, True),
            ("framework.cli.scheduler", "framework.app", False, False),
            ("executor.core.machine", "specs.states", False, True),
            ("executor.core.machine", "framework.exits", False, False),
            ("executor.loop", "placement.offer", True, False),
        ],
    )
    def test_the_table_says_what_it_should(self, module: str, name: str, is_lazy: bool, may: bool) -> None:
        assert allowed(room_of(module), Import(name=name, line=1, is_lazy=is_lazy)) is may


class TestKits:
    """Tests stand beside one another: whatever two of them need is a kit, and a kit holds no tests."""

    def test_nobody_imports_a_test(self) -> None:
        found(
            [
                f"{where(path)}:{each.line} imports {each.name}; move what is shared to tests/kit"
                for path in files_of_tests()
                for each in imports(path)
                if is_within(each.name, "tests") and _is_test(each.name)
            ]
        )

    def test_kits_import_only_kits(self) -> None:
        found(
            [
                f"{where(path)}:{each.line} imports {each.name}; of the tests it may import tests.kit alone"
                for path in kits()
                for each in imports(path)
                if is_within(each.name, "tests") and not is_within(each.name, "tests.kit")
            ]
        )

    def test_kits_hold_no_tests(self) -> None:
        found(
            [
                f"{where(path)}:{node.lineno} is a test; pytest does not look for tests there"
                for path in kits()
                for node in ast.walk(tree(path))
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            ]
        )

    def test_unit_tests_lie_in_the_folders_of_the_code(self) -> None:
        rooms = [path.relative_to(ROOT / "tests/unit") for path in (ROOT / "tests/unit").rglob("__init__.py")]
        homes = (ROOT, ROOT / "framework", ROOT / "tests")
        found(
            [
                f"tests/unit/{room.parent} tests no folder of the code"
                for room in rooms
                if not any((home / room.parent).is_dir() for home in homes)
            ]
        )


class TestPurity:
    def test_nobody_draws_from_the_shared_chance_where_it_is_pure(self) -> None:
        found(
            [
                f"{where(path)}:{node.lineno} uses random.{node.attr}; wanted a random.Random that is handed in"
                for path in our_files()
                if room_of(module_name(path)).is_pure
                for node in ast.walk(tree(path))
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "random"
                and node.attr not in SHARED_CHANCE_EXCEPT
            ]
            + [
                f"{where(path)}:{node.lineno} imports from random {alias.name}"
                for path in our_files()
                if room_of(module_name(path)).is_pure
                for node in ast.walk(tree(path))
                if isinstance(node, ast.ImportFrom) and node.module == "random"
                for alias in node.names
                if alias.name not in SHARED_CHANCE_EXCEPT
            ]
        )

    @pytest.mark.parametrize("package", ["framework/core", "placement"])
    def test_no_set_is_iterated_where_order_matters(self, package: str) -> None:
        """As far as the syntax shows it: a set in a `for`, a comprehension, or made a list or tuple."""
        found(
            [
                f"{where(path)}:{node.lineno} iterates a set, whose order is chance; sort it"
                for path in sorted((ROOT / package).rglob("*.py"))
                for node in _iterated_sets(tree(path))
            ]
        )

    @pytest.mark.parametrize("package", ["framework/core", "placement"])
    def test_nothing_pure_opens_or_prints(self, package: str) -> None:
        found(
            [
                f"{where(path)}:{node.lineno} calls {node.func.id}()"
                for path in sorted((ROOT / package).rglob("*.py"))
                for node in ast.walk(tree(path))
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"open", "print", "input", "id", "hash", "__import__", "eval", "exec"}
            ]
        )


def _iterated_sets(module: ast.Module) -> Iterator[ast.expr]:
    for scope in [module, *(node for node in ast.walk(module) if isinstance(node, ast.FunctionDef))]:
        names = _names_of_sets(scope)
        for node in ast.walk(scope):
            iterated: list[ast.expr] = []
            if isinstance(node, ast.For):
                iterated = [node.iter]
            elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp):
                if not _is_order_blind(scope, node):
                    iterated = [each.iter for each in node.generators]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("list", "tuple"):
                iterated = list(node.args)
            elif isinstance(node, ast.Starred):
                iterated = [node.value]
            yield from (each for each in iterated if _is_set(each, names))


def _is_order_blind(scope: ast.AST, comprehension: ast.expr) -> bool:
    """Whether it is handed straight to something to which order is nothing."""
    blind = {"sorted", "set", "frozenset", "sum", "min", "max", "any", "all", "len"}
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in blind
        and comprehension in node.args
        for node in ast.walk(scope)
    )


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("for x in {1, 2}: pass", 1),
        ("for x in sorted({1, 2}): pass", 0),
        ("s = set(y)\nfor x in s: pass", 1),
        ("a = [x for x in frozenset(y) | z]", 1),
        ("a = sorted(x for x in set(y))", 0),
        ("a = tuple({1, 2})", 1),
        ("a = [*{1, 2}]", 1),
        ("a = 1 in {1, 2}", 0),
    ],
)
def test_iterated_sets_are_seen(code: str, count: int) -> None:
    assert len(list(_iterated_sets(ast.parse(code)))) == count


def _names_of_sets(scope: ast.AST) -> set[str]:
    """Local names that are only ever given sets."""
    sets: set[str] = set()
    others: set[str] = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    (sets if _is_set(node.value, set()) else others).add(target.id)
    return sets - others


def _is_set(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return _is_set(node.left, names) or _is_set(node.right, names)
    return False


class TestStyle:
    def test_what_is_public_has_a_docstring(self) -> None:
        """Modules, functions, and classes that do something."""
        found(
            [
                f"{where(path)}:{line} {what} has no docstring"
                for path in written_files()
                for line, what in _undocumented(path)
            ]
        )

    def test_nobody_catches_everything(self) -> None:
        found(
            [
                f"{where(path)}:{node.lineno} catches everything; wanted the very exceptions, or a place in SHIELDS"
                for path in our_files()
                if where(path) not in SHIELDS
                for node in ast.walk(tree(path))
                if isinstance(node, ast.ExceptHandler) and _catches_everything(node)
            ]
        )

    def test_every_shield_is_still_one(self) -> None:
        assert [
            shield
            for shield in SHIELDS
            if not (ROOT / shield).exists()
            or not any(
                isinstance(node, ast.ExceptHandler) and _catches_everything(node)
                for node in ast.walk(tree(ROOT / shield))
            )
        ] == []

    def test_nothing_is_left_to_do(self) -> None:
        words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
        found(
            [
                f"{where(path)}:{number} {line.strip()}"
                for path in [*written_files(), *sorted((ROOT / "tests").rglob("*.py"))]
                if path != Path(__file__).resolve()
                for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
                if words.search(line)
            ]
        )

    def test_docstrings_begin_with_their_subject(self) -> None:
        """Of a sentence that begins with What or Who the reader learns at its end of which kind of thing it speaks."""
        late = re.compile(r"(What|Who|Whose|So long|So many)\b")
        found(
            [
                f"{where(path)}:{node.lineno} a docstring begins with {match[0]}; name its subject first"
                for path in [*written_files(), *sorted((ROOT / "tests").rglob("*.py"))]
                for node in ast.walk(tree(path))
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                if isinstance(node.value.value, str) and (match := late.match(node.value.value.strip()))
            ]
        )

    def test_modules_are_short(self) -> None:
        lengths = {where(path): len(path.read_text(encoding="utf-8").splitlines()) for path in written_files()}
        assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}

    def test_each_decision_has_a_number_of_its_own(self) -> None:
        """Two changes that land at once would both take the next number."""
        text = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
        numbers = sorted(int(found) for found in re.findall(r"^\*\*([0-9]+)\. ", text, re.MULTILINE))
        assert numbers == list(range(1, len(numbers) + 1))

    def test_no_change_is_listed_twice(self) -> None:
        lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
        entries = [line for line in lines if line.startswith(("* ", "## "))]
        assert sorted(set(entries)) == sorted(entries)

    def test_no_module_is_called_utils(self) -> None:
        assert [where(path) for path in our_files() if path.stem in ("utils", "util", "helpers", "common")] == []


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")) for kind in kinds
    )


def _undocumented(path: Path) -> Iterator[tuple[int, str]]:
    module = tree(path)
    if path.name != "__init__.py" and not ast.get_docstring(module):
        yield 1, "the module"
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("_") and not ast.get_docstring(node):
                yield node.lineno, f"{node.name}()"
        elif (
            isinstance(node, ast.ClassDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
            and not _explains_itself(node)
        ):
            yield node.lineno, f"class {node.name}"


def _explains_itself(node: ast.ClassDef) -> bool:
    """Values and enumerations without methods: their fields and members say it all."""
    return not any(isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) for each in node.body)


class TestWhole:
    def test_the_top_level_is_as_fixed(self) -> None:
        ignored = [
            line.strip().strip("/")
            for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
            if line.strip() and not line.startswith("#")
        ]
        strange = [
            entry.name
            for entry in sorted(ROOT.iterdir())
            if entry.name not in TOP_LEVEL and not any(entry.match(pattern) for pattern in ignored)
        ]
        assert strange == []

    def test_the_packages_are_all_there(self) -> None:
        assert [package for package in PACKAGES if not (ROOT / package / "__init__.py").exists()] == []

    def test_what_is_locked_is_within_the_ranges_of_setup(self) -> None:
        text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
        locked = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE))
        wanted = [Requirement(each) for each in importlib.metadata.requires("mesos-framework") or ()]
        apart = [
            str(each)
            for each in wanted
            if each.url is None and locked.get(canonicalize_name(each.name), "") not in each.specifier
        ]
        assert len(wanted) > 10 and apart == [], "make lock renews requirements.lock"

    def test_the_records_are_generated_from_what_is_there(self, tmp_path: Path) -> None:
        if importlib.util.find_spec("grpc_tools") is None:
            pytest.skip("grpcio-tools is not installed; pip install '.[dev]'")
        from specs.generate import records

        records(tmp_path)
        for name in sorted(GENERATED):
            assert (tmp_path / name).read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8"), (
                f"{name} is not what specs/records.proto says: run `python -m specs.generate`"
            )
