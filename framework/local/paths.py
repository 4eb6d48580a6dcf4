"""The directories of framework.local."""

import os
from pathlib import Path


def cache_home() -> Path:
    """The directory for files that are built or downloaded once: $FRAMEWORK_HOME, or ~/.cache/framework."""
    named = os.environ.get("FRAMEWORK_HOME")
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "framework"


def default_directory() -> Path:
    """The directory of the default cluster: $FRAMEWORK_LOCAL_DIR, or ~/.framework/local."""
    named = os.environ.get("FRAMEWORK_LOCAL_DIR")
    return Path(named).expanduser().absolute() if named else Path.home() / ".framework" / "local"
