"""Which failures trying again does not mend, told by what the engine says of them. Pure.

The engine has no codes for these: its words, and those of registries and runtimes that it passes on, are all there is.
Words that are not known here are taken for what may pass.
"""

from __future__ import annotations

import re

from specs.permanence import Permanent

_PASSING = re.compile(
    r"toomanyrequests|too many requests|rate limit|timeout|timed out|deadline exceeded|no such host|server misbehaving"
    r"|connection refused|connection reset|unexpected eof|no space left|temporar",
    re.IGNORECASE,
)
"""What passes, whatever else is said with it."""
_PERMANENT = tuple(
    (re.compile(pattern, re.IGNORECASE), word)
    for pattern, word in (
        (r"no matching manifest for|exec format error|cannot be used on this platform", Permanent.WRONG_PLATFORM),
        (r"pull access denied|unauthorized|authentication required|no basic auth credentials", Permanent.IMAGE_DENIED),
        (r"requested access to the resource is denied", Permanent.IMAGE_DENIED),
        (r"manifest unknown|name unknown|repository .* not found|manifest for .* not found", Permanent.IMAGE_NOT_FOUND),
        (r"failed to resolve reference .*: not found", Permanent.IMAGE_NOT_FOUND),
        (r"invalid reference format|repository name .*must", Permanent.BAD_IMAGE_NAME),
        (r"unable to find user|unable to find group|no matching entries in (passwd|group)", Permanent.BAD_USER),
        (r"bind source path does not exist|invalid mount|invalid volume spec|duplicate mount", Permanent.BAD_MOUNT),
        (r"error mounting|not a directory.*mount|mount.*not a directory", Permanent.BAD_MOUNT),
        (
            r"executable file not found|no command specified",
            Permanent.BAD_COMMAND,
        ),
        (r"exec: .*: (stat .*: )?(no such file or directory|permission denied|is a directory)", Permanent.BAD_COMMAND),
    )
)
_BAD_REQUEST = 400


def permanence_of(words: str, status_code: int | None = None) -> str:
    """The word for a failure of which the engine says this, "" where it may pass. `status_code` is that of its answer:
    a bad request stays one, whatever the words."""
    if _PASSING.search(words):
        return ""
    for pattern, word in _PERMANENT:
        if pattern.search(words):
            return word
    return Permanent.BAD_SETTINGS if status_code == _BAD_REQUEST else ""
