"""Where framework.local keeps what it makes."""

import os
from pathlib import Path


def cache_home() -> Path:
    """The directory for what is built or downloaded once: $FRAMEWORK_HOME, or ~/.cache/framework."""
    named = os.environ.get("FRAMEWORK_HOME")
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "framework"


def default_directory() -> Path:
    """The directory of the cluster that is meant when none is named: $FRAMEWORK_LOCAL_DIR, or ~/.framework/local."""
    named = os.environ.get("FRAMEWORK_LOCAL_DIR")
    return Path(named).expanduser().absolute() if named else Path.home() / ".framework" / "local"
