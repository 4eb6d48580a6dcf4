"""Stand-ins for the libraries of 2016 that the published Mesos library was linked to.

What is looked up in libcurl is handed on to the system's own (the agent asks the size of what its fetcher is
to cache); nothing calls the rest unless libprocess is to use TLS.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

PREAMBLE = """
#include <stdio.h>
#include <stdlib.h>
static void missing(const char *name)
{ fprintf(stderr, "%s() is not in this build of Mesos\\n", name); abort(); }
"""
CURL = """
#include <dlfcn.h>
__attribute__((used, visibility("hidden"))) void *pointers[COUNT];
static void *failed(void) { missing("libcurl"); return 0; }
__attribute__((constructor)) static void find(void)
{
    static const char *const names[COUNT] = { NAMES };
    static const char *const libraries[] = {
        "/usr/lib/x86_64-linux-gnu/libcurl.so.4", "libcurl-gnutls.so.4", 0 };
    for (int i = 0; i < COUNT; i++) pointers[i] = failed;
    for (int i = 0; libraries[i]; i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_LOCAL);
        if (!library) continue;
        for (int j = 0; j < COUNT; j++) {
            void *symbol = dlsym(library, names[j]);
            if (symbol) pointers[j] = symbol;
        }
        break;
    }
}
"""


def make_stubs(directory: Path, library: Path) -> None:
    """Makes, in the directory, shared libraries for what the Mesos library leaves undefined."""
    openssl, curl, python = undefined_symbols(library)
    aborting = PREAMBLE + "".join(
        f'void {name}(void) {{ missing("{name}"); }}\n' for names in openssl.values() for name in names
    )
    for soname in ("libssl.so.1.0.0", "libcrypto.so.1.0.0"):
        _compile(directory, soname, aborting, openssl)
    _compile(directory, "libcurl.so.4", _forwarder(curl), {"CURL_OPENSSL_3": curl})
    _compile(directory, "libpython-stub.so", "".join(f"char {name}[1024];\n" for name in python), {})


def undefined_symbols(library: Path) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Returns what the library wants of OpenSSL (by symbol version), of libcurl and of Python."""
    listing = subprocess.run(
        ["nm", "-D", "--undefined-only", library], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    openssl: dict[str, list[str]] = {}
    curl: list[str] = []
    python: list[str] = []
    for symbol in listing.split():
        name, _, version = symbol.partition("@")
        if version.startswith("OPENSSL"):
            openssl.setdefault(version, []).append(name)
        elif version.startswith("CURL"):
            curl.append(name)
        elif re.match("_?Py", name):
            python.append(name)
    return openssl, curl, python


def _forwarder(names: Sequence[str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    jumps = "".join(
        f'asm(".globl {name}\\n{name}: jmp *pointers+{8 * index}(%rip)");\n' for index, name in enumerate(names)
    )
    return PREAMBLE + CURL.replace("COUNT", str(len(names))).replace("NAMES", quoted) + jumps


def _compile(directory: Path, soname: str, code: str, versions: Mapping[str, Sequence[str]]) -> None:
    """Compiles a shared library whose symbols have the versions that are asked for."""
    source = directory / "stub.c"
    script = directory / "stub.map"
    source.write_text(code)
    script.write_text("".join(f"{version} {{ global: {'; '.join(names)}; }};\n" for version, names in versions.items()))
    target = directory / f"{soname}.new"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-w", "-o", str(target), str(source), f"-Wl,-soname,{soname}"]
    subprocess.run([*command, f"-Wl,--version-script={script}"] if versions else command, check=True)
    target.rename(directory / soname)  # At once, since daemons that run have the old one open.
    source.unlink()
    script.unlink()
