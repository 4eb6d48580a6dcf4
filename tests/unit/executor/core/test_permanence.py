"""Which failures trying again does not mend, by the words of engines, registries and runtimes."""

from __future__ import annotations

import errno

import pytest

from executor.core.permanence import permanence_of, permanence_of_end, permanence_of_error
from specs.permanence import Permanent, is_of_agent


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("manifest for acme/web:9 not found: manifest unknown: manifest unknown", Permanent.IMAGE_NOT_FOUND),
        (
            'failed to resolve reference "docker.io/acme/web:9": docker.io/acme/web:9: not found',
            Permanent.IMAGE_NOT_FOUND,
        ),
        ("name unknown: repository name not known to registry", Permanent.IMAGE_NOT_FOUND),
        (
            "pull access denied for acme/wbe, repository does not exist or may require 'docker login': denied:"
            " requested access to the resource is denied",
            Permanent.IMAGE_DENIED,
        ),
        ("Head https://r.example/v2/web/manifests/1: unauthorized: authentication required", Permanent.IMAGE_DENIED),
        ("no basic auth credentials", Permanent.IMAGE_DENIED),
        ("invalid reference format", Permanent.BAD_IMAGE_NAME),
        ("invalid reference format: repository name (library/Web) must be lowercase", Permanent.BAD_IMAGE_NAME),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", Permanent.WRONG_PLATFORM),
        (
            "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create"
            " failed: unable to start container process: exec /srv: exec format error: unknown",
            Permanent.WRONG_PLATFORM,
        ),
        (
            "failed to create task for container: OCI runtime create failed: runc create failed: unable to start"
            ' container process: exec: "nosuch": executable file not found in $PATH: unknown',
            Permanent.BAD_COMMAND,
        ),
        ('exec: "/srv": stat /srv: no such file or directory: unknown', Permanent.BAD_COMMAND),
        ('exec: "/etc/passwd": permission denied: unknown', Permanent.BAD_COMMAND),
        ("No command specified", Permanent.BAD_COMMAND),
        ("unable to find user nobody2: no matching entries in passwd file", Permanent.BAD_USER),
        ('invalid mount config for type "bind": bind source path does not exist: /nope', Permanent.BAD_MOUNT),
        (
            'error mounting "/etc/hosts" to rootfs at "/srv": not a directory: unknown: Are you trying to mount a'
            " directory onto a file (or vice-versa)?",
            Permanent.BAD_MOUNT,
        ),
    ],
)
def test_permanent(words: str, wanted: Permanent) -> None:
    assert permanence_of(words) == wanted


@pytest.mark.parametrize(
    "words",
    [
        "toomanyrequests: You have reached your unauthenticated pull rate limit",
        'Get "https://r.example/v2/": dial tcp: lookup r.example: no such host',
        "dial tcp 127.0.0.1:5000: connect: connection refused",
        "net/http: TLS handshake timeout",
        "write /var/lib/docker/tmp/x: no space left on device",
        "driver failed programming external connectivity: Bind for 0.0.0.0:80 failed: port is already allocated",
        "received unexpected HTTP status: 503 Service Unavailable",
        "something that nobody has heard of",
        "",
    ],
)
def test_what_may_pass(words: str) -> None:
    assert permanence_of(words) == ""


def test_a_bad_request_stays_one() -> None:
    assert permanence_of("invalid restart policy", 400) == Permanent.BAD_SETTINGS
    assert permanence_of("exec format error", 400) == Permanent.WRONG_PLATFORM
    assert permanence_of("something", 500) == ""
    assert permanence_of("context deadline exceeded", 400) == "", "what passes, passes"


RUNC = (
    "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process:"
    " error during container init: "
)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        # As Docker 20.10 with runc 1.1 says them.
        (RUNC + "sethostname: invalid argument: unknown", Permanent.BAD_SETTINGS),
        (RUNC + 'environment variable value can\'t contain null(\\x00): "A=a\\x00b"', Permanent.BAD_SETTINGS),
        ("error while creating mount source path '/x': mkdir /x: file name too long", Permanent.BAD_SETTINGS),
        ('invalid --security-opt 2: "nope=1"', Permanent.BAD_SETTINGS),
        (RUNC + "write /proc/sys/kernel/shmmax: invalid argument: unknown", Permanent.REFUSED_HERE),
        (RUNC + "error setting rlimit type 7: operation not permitted: unknown", Permanent.REFUSED_HERE),
        ('could not select device driver "" with capabilities: [[gpu]]', Permanent.REFUSED_HERE),
        ("network nope not found", Permanent.REFUSED_HERE),
        ('create v: error looking up volume plugin nope: plugin "nope" not found', Permanent.REFUSED_HERE),
        # As other engines and runtimes do.
        ("crun: sethostname: Invalid argument: OCI runtime error", Permanent.BAD_SETTINGS),
        ("crun: exec: Argument list too long: OCI runtime error", Permanent.BAD_SETTINGS),
        ("Argument list too long (os error 7)", Permanent.BAD_SETTINGS),
        ('exec container process "/x": E2BIG: unknown', Permanent.BAD_SETTINGS),
        (
            "crun: executable file `nope` not found in $PATH: No such file or directory: OCI runtime attempted to"
            " invoke a command that was not found",
            Permanent.BAD_COMMAND,
        ),
        ("OCI runtime create failed: words that nobody has heard of", Permanent.REFUSED_HERE),
        ("OCI runtime create failed: fork/exec /proc/self/exe: cannot allocate memory", ""),
        ("OCI runtime create failed: runc did not terminate successfully: signal: killed", ""),
    ],
)
def test_whatever_words_the_engine_uses(words: str, wanted: str) -> None:
    assert permanence_of(words, 500) == wanted


def test_a_plugins_no_and_what_nobody_can_do_stay() -> None:
    assert permanence_of("authorization denied by plugin x", 403) == Permanent.BAD_SETTINGS
    assert permanence_of("not supported", 501) == Permanent.BAD_SETTINGS
    assert permanence_of("OCI runtime create failed: x", 400) == Permanent.BAD_SETTINGS


def test_a_name_that_the_user_gave_is_no_sign_of_what_passes() -> None:
    words = 'exec: "/opt/timeout/wait-temporary": stat /opt/timeout/wait-temporary: no such file or directory'
    assert permanence_of(words) == ""
    assert permanence_of(words, about=("/opt/timeout/wait-temporary",)) == Permanent.BAD_COMMAND
    denied = "pull access denied for acme/temporary, repository does not exist"
    assert permanence_of(denied, about=("acme/temporary:1", "acme/temporary")) == Permanent.IMAGE_DENIED


@pytest.mark.parametrize(
    ("last_words", "wanted"),
    [
        ("exec /bin/true: argument list too long", Permanent.BAD_SETTINGS),
        ("exec /bin/echo: invalid argument", Permanent.BAD_SETTINGS),
        ("exec /srv/app: exec format error", Permanent.WRONG_PLATFORM),
        ("exec /srv/app: no such file or directory", Permanent.BAD_COMMAND),
        ("standard_init_linux.go:228: exec user process caused: exec format error", Permanent.WRONG_PLATFORM),
        (
            'standard_init_linux.go:211: exec user process caused "no such file or directory"',
            Permanent.BAD_COMMAND,
        ),
        ("sh: exec: line 1: /srv/app: not found", ""),
        ("we exec /srv/app: permission denied", ""),
        ("exec /srv/app: cannot allocate memory", ""),
        ("", ""),
    ],
)
def test_a_program_that_could_not_be_executed_after_the_engine_had_started_it(last_words: str, wanted: str) -> None:
    assert permanence_of_end(1, last_words, 0.1) == wanted
    assert permanence_of_end(255, last_words, 0.1) == wanted
    assert permanence_of_end(3, last_words, 0.1) == permanence_of_end(1, last_words, 600.0) == ""


def test_a_program_that_we_could_not_start() -> None:
    assert permanence_of_error(OSError(errno.E2BIG, "x")) == Permanent.BAD_SETTINGS
    assert permanence_of_error(ValueError("embedded null byte")) == Permanent.BAD_SETTINGS
    assert permanence_of_error(OSError(errno.ENOEXEC, "x")) == Permanent.WRONG_PLATFORM
    assert permanence_of_error(FileNotFoundError(errno.ENOENT, "x")) == Permanent.BAD_COMMAND
    assert permanence_of_error(OSError(errno.EAGAIN, "x")) == permanence_of_error(OSError(errno.ENOMEM, "x")) == ""


def test_what_may_be_otherwise_on_another_agent() -> None:
    assert [word for word in Permanent if is_of_agent(word)] == [
        Permanent.IMAGE_ABSENT,
        Permanent.WRONG_PLATFORM,
        Permanent.BAD_MOUNT,
        Permanent.REFUSED_HERE,
    ]
    assert not is_of_agent("") and not is_of_agent("of-a-newer-executor")
