"""Which failures trying again does not mend, by the words of engines, registries and runtimes."""

from __future__ import annotations

import pytest

from executor.permanence import permanence_of
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


def test_what_may_be_otherwise_on_another_agent() -> None:
    assert [word for word in Permanent if is_of_agent(word)] == [
        Permanent.IMAGE_ABSENT,
        Permanent.WRONG_PLATFORM,
        Permanent.BAD_MOUNT,
    ]
    assert not is_of_agent("") and not is_of_agent("of-a-newer-executor")
