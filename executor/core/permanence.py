"""Failures that another attempt does not mend: told by the engine's status, by errors of the kernel, and by words.
Pure.

Engines have few codes; their words, and those of registries and runtimes that they pass on, hold the rest. Errors of
the kernel have the same words everywhere. An unknown refusal by a runtime counts as refused on this agent, and other
agents are tried. Any other unknown words count as temporary.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable

from specs.permanence import Permanent

_PASSING = re.compile(
    r"toomanyrequests|too many requests|rate limit|\btimeout\b|timed out|deadline exceeded|no such host"
    r"|server misbehaving|connection refused|connection reset|unexpected eof|no space left|temporar"
    r"|cannot allocate memory|resource busy|too many open files|text file busy|input/output error"
    r"|context canceled|signal: killed|did not terminate successfully|already allocated|already in use"
    r"|already in progress",
    re.IGNORECASE,
)
"""Temporary failures, whatever other words come with them."""
_KERNEL = (
    (r"argument list too long|arg(ument)? list is too long|\be2big\b", Permanent.BAD_SETTINGS),
    (r"file ?name too long|\benametoolong\b|too many levels of symbolic links|\beloop\b", Permanent.BAD_SETTINGS),
    (r"exec format error|\benoexec\b", Permanent.WRONG_PLATFORM),
)
"""Errors of the kernel that are the same at every attempt, whoever reports them."""
_PERMANENT = tuple(
    (re.compile(pattern, re.IGNORECASE), word)
    for pattern, word in (
        *_KERNEL,
        (r"no matching manifest for|cannot be used on this platform", Permanent.WRONG_PLATFORM),
        (r"pull access denied|unauthorized|authentication required|no basic auth credentials", Permanent.IMAGE_DENIED),
        (r"requested access to the resource is denied", Permanent.IMAGE_DENIED),
        (r"manifest unknown|name unknown|repository .* not found|manifest for .* not found", Permanent.IMAGE_NOT_FOUND),
        (r"failed to resolve reference .*: not found", Permanent.IMAGE_NOT_FOUND),
        (r"invalid reference format|repository name .*must", Permanent.BAD_IMAGE_NAME),
        (r"unable to find user|unable to find group|no matching entries in (passwd|group)", Permanent.BAD_USER),
        (r"sethostname|invalid hostname|can't contain null|embedded null|nul byte", Permanent.BAD_SETTINGS),
        (r"invalid --", Permanent.BAD_SETTINGS),
        (r"bind source path does not exist|invalid mount|invalid volume spec|duplicate mount", Permanent.BAD_MOUNT),
        (r"error mounting|not a directory.*mount|mount.*not a directory", Permanent.BAD_MOUNT),
        (r"executable file .*not found|no command specified|attempted to invoke a command", Permanent.BAD_COMMAND),
        (r"exec: .*: (stat .*: )?(no such file or directory|permission denied|is a directory)", Permanent.BAD_COMMAND),
        (r"oci runtime|\b(runc|crun|runsc|youki)\b|error during container init", Permanent.REFUSED_HERE),
        (r"could not select device driver|error gathering device information", Permanent.REFUSED_HERE),
        (r"network .* not found|plugin .* not found", Permanent.REFUSED_HERE),
    )
)
_NEVER = {400: Permanent.BAD_SETTINGS, 403: Permanent.BAD_SETTINGS, 501: Permanent.BAD_SETTINGS}
"""Status codes that are the same at every attempt: a bad request, one that a plugin forbids, one not implemented."""
_BY_NUMBER = {
    errno.E2BIG: Permanent.BAD_SETTINGS,
    errno.ENAMETOOLONG: Permanent.BAD_SETTINGS,
    errno.EINVAL: Permanent.BAD_SETTINGS,
    errno.ELOOP: Permanent.BAD_SETTINGS,
    errno.ENOEXEC: Permanent.WRONG_PLATFORM,
    errno.ENOENT: Permanent.BAD_COMMAND,
    errno.ENOTDIR: Permanent.BAD_COMMAND,
    errno.EISDIR: Permanent.BAD_COMMAND,
    errno.EACCES: Permanent.BAD_COMMAND,
    errno.EPERM: Permanent.BAD_COMMAND,
}
_SHORTEST_NAME = 4
_EXECUTED = re.compile(
    r"(?:exec (?:/\S*|\"/[^\"]*\")|standard_init_linux\.go:[0-9]+: exec user process caused):? ?"
    r"\"?(?P<words>[a-z ]+)\"?"
)
_OF_EXEC = {
    "argument list too long": Permanent.BAD_SETTINGS,
    "invalid argument": Permanent.BAD_SETTINGS,
    "file name too long": Permanent.BAD_SETTINGS,
    "exec format error": Permanent.WRONG_PLATFORM,
    "no such file or directory": Permanent.BAD_COMMAND,
    "not a directory": Permanent.BAD_COMMAND,
    "permission denied": Permanent.BAD_COMMAND,
}
_CODES_OF_RUNTIMES = (1, 126, 127, 255)
_LONGEST_START_SECONDS = 60.0


def permanence_of(words: str, status_code: int | None = None, about: Iterable[str] = ()) -> str:
    """The word for a failure with these words of the engine, "" if it is temporary. `status_code` is that of its
    answer. `about` are names from the user, such as the image: a program called `timeout` is no time-out."""
    if _PASSING.search(_without(words, about)):
        return ""
    for pattern, word in _PERMANENT:
        if pattern.search(words):
            # A refusal in unknown words is not worse than a bad request, which no agent takes.
            return _NEVER.get(status_code or 0, word) if word is Permanent.REFUSED_HERE else word
    return _NEVER.get(status_code or 0, "")


def permanence_of_error(error: Exception) -> str:
    """The same for a program that we could not start ourselves."""
    if isinstance(error, OSError):
        return _BY_NUMBER.get(error.errno or 0, "")
    return Permanent.BAD_SETTINGS if isinstance(error, ValueError) else ""  # a null character within


def permanence_of_end(exit_code: int, last_words: str, ran_seconds: float) -> str:
    """The same for a container that ended right after its start. runc replaces itself by the program after the engine
    has reported the start, and the kernel's error is the last line on stderr."""
    found = _EXECUTED.fullmatch(last_words)
    if found is None or exit_code not in _CODES_OF_RUNTIMES or ran_seconds > _LONGEST_START_SECONDS:
        return ""
    return _OF_EXEC.get(found["words"], "")


def _without(words: str, about: Iterable[str]) -> str:
    for name in sorted(set(about), key=len, reverse=True):
        if len(name) >= _SHORTEST_NAME:
            words = words.replace(name, "…")
    return words
