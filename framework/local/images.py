"""Docker images for the demo and the tests, made of Debian's packages, since images cannot be pulled everywhere."""

import contextlib
import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from framework.local import engine, packages, requirements
from framework.local.errors import LocalError

BUSYBOX = "framework-demo/busybox:1"
REDIS = "framework-demo/redis:1"
SHOP = "framework-demo/shop:1"
CONTENT_LABEL = "framework.content"
PROGRAMS = Path(__file__).parent / "programs"

LOADER = "ld-linux-x86-64.so.2"

USERS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
GROUPS = "root:x:0:\nnogroup:x:65534:\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How an image is made: `fill` puts its files into a directory; `changes` are Dockerfile lines."""

    name: str
    fill: Callable[[Path], None]
    changes: tuple[str, ...]


def build(names: Sequence[str] = ()) -> list[str]:
    """Makes the named images, or all; returns those that were not there yet.

    A second run asks neither the network nor apt.  Raises LocalError if the engine or apt cannot help.
    """
    requirements.check(requirements.IMAGES)
    wanted = [recipe for recipe in RECIPES if not names or recipe.name in names]
    unknown = sorted(set(names) - {recipe.name for recipe in RECIPES})
    if unknown:
        raise LocalError(f"no image {unknown[0]}; there are: {', '.join(recipe.name for recipe in RECIPES)}")
    return [recipe.name for recipe in wanted if _make(recipe)]


def _make(recipe: Recipe) -> bool:
    """Makes the image unless the engine has it from this very source; returns whether it did."""
    from docker.errors import APIError, ImageNotFound

    sources = [Path(__file__), *sorted(PROGRAMS.glob("*.sh"))]
    content = hashlib.sha256(b"".join(path.read_bytes() for path in sources) + repr(recipe.changes).encode())
    with engine.connection() as client:
        try:
            earlier = client.images.get(recipe.name)
        except ImageNotFound:
            earlier = None
        if earlier is not None and earlier.labels.get(CONTENT_LABEL) == content.hexdigest()[:16]:
            return False
        repository, _, tag = recipe.name.partition(":")
        with tempfile.TemporaryDirectory() as temporary:
            recipe.fill(Path(temporary))
            answer = client.api.import_image_from_data(
                archive(Path(temporary)),
                repository=repository,
                tag=tag,
                changes=[*recipe.changes, f"LABEL {CONTENT_LABEL}={content.hexdigest()[:16]}"],
            )
        if earlier is not None:
            with contextlib.suppress(APIError):  # A container still runs from it.
                client.images.remove(earlier.id)
    problem = next((line["error"] for line in map(json.loads, answer.splitlines()) if "error" in line), None)
    if problem:
        raise LocalError(f"the Docker engine refused the image {recipe.name}: {problem}")
    return True


def archive(root: Path) -> bytes:
    """The directory as a tar archive in which everything is root's."""

    def owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = "root"
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(root, arcname=".", filter=owned)
    return buffer.getvalue()


def fill_busybox(root: Path) -> None:
    """A shell and the usual small programs, in one static binary under all its names."""
    for directory in ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "var/tmp", "www"):
        (root / directory).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "var/tmp").chmod(0o1777)
    root.chmod(0o755)
    (root / "etc/passwd").write_text(USERS, encoding="utf-8")
    (root / "etc/group").write_text(GROUPS, encoding="utf-8")
    with tempfile.TemporaryDirectory() as temporary:
        packages.unpack(["busybox-static"], Path(temporary))
        shutil.copy(busybox_in(Path(temporary)), root / "bin/busybox")
    listing = subprocess.run([root / "bin/busybox", "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout
    for applet in set(listing.split()) - {"busybox"}:
        (root / "bin" / applet).symlink_to("busybox")


def busybox_in(unpacked: Path) -> Path:
    """Where the package has it: bin until Debian 12, usr/bin since."""
    return next(path for path in (unpacked / "bin/busybox", unpacked / "usr/bin/busybox") if path.exists())


def fill_shop(root: Path) -> None:
    """A web server, beside busybox: its page says who answers, and what those say whom it asks (programs/shop-*.sh)."""
    fill_busybox(root)
    for source, target in (("shop-serve.sh", "bin/serve"), ("shop-page.sh", "www/cgi-bin/index.cgi")):
        (root / target).parent.mkdir(exist_ok=True)
        shutil.copy(PROGRAMS / source, root / target)
        (root / target).chmod(0o755)
    (root / "www/health").write_text("fine\n", encoding="utf-8")


def fill_redis(root: Path) -> None:
    """Redis' server and client with the libraries they are linked to, beside busybox."""
    fill_busybox(root)
    (root / "data").mkdir()
    with tempfile.TemporaryDirectory() as temporary:
        unpacked = Path(temporary)
        packages.unpack(packages.with_libraries("redis-tools"), unpacked)
        packages.unpack(["redis-server"], unpacked)
        for name in ("redis-server", "redis-cli"):
            program = unpacked / "usr/bin" / name
            shutil.copy(program, root / "bin" / name)
            copy_libraries(program, unpacked, root)


def copy_libraries(program: Path, source: Path, target: Path) -> None:
    """Copies what a program unpacked below `source` is linked to; raises LocalError if some of it is not there."""
    libraries = source / "usr/lib/x86_64-linux-gnu", source / "lib/x86_64-linux-gnu"
    loader = next((path for path in (each / LOADER for each in libraries) if path.exists()), None)
    if loader is None:
        raise LocalError(f"Debian's packages did not bring {LOADER}, which {program.name} needs")
    command = [str(loader), "--library-path", ":".join(map(str, libraries)), "--list", str(program)]
    listing = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    if absent := re.findall(r"(\S+) => not found", listing):
        raise LocalError(f"Debian's packages did not bring {', '.join(absent)}, which {program.name} needs")
    (target / "lib64").mkdir(exist_ok=True)
    shutil.copy(loader, target / "lib64" / LOADER)
    (target / "lib").mkdir(exist_ok=True)
    for path in re.findall(rf"=> ({re.escape(str(source))}\S+)", listing):
        shutil.copy(path, target / "lib" / Path(path).name)


RECIPES = (
    Recipe(
        name=BUSYBOX,
        fill=fill_busybox,
        changes=("ENV PATH=/bin", 'CMD ["sh"]'),
    ),
    Recipe(
        name=SHOP,
        fill=fill_shop,
        changes=("ENV PATH=/bin", "EXPOSE 80", 'CMD ["serve"]'),
    ),
    Recipe(
        name=REDIS,
        fill=fill_redis,
        changes=(
            "ENV PATH=/bin",
            "WORKDIR /data",
            "EXPOSE 6379",
            'CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--dir", "/data"]',
        ),
    ),
)
