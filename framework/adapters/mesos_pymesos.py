"""pymesos, without what importing it does to the process.

It puts its own handlers in the place of the process's for SIGINT and adds one to the log. To be imported from the
main thread first, as Python lets no other set signal handlers.
"""

from __future__ import annotations

import logging
import signal

_interrupt = signal.getsignal(signal.SIGINT)
_handlers = list(logging.getLogger("pymesos").handlers)

from pymesos import MesosSchedulerDriver  # noqa: E402
from pymesos.detector import MasterDetector  # noqa: E402

if _interrupt is not None and signal.getsignal(signal.SIGINT) is not _interrupt:
    signal.signal(signal.SIGINT, _interrupt)
logging.getLogger("pymesos").handlers[:] = _handlers
logging.getLogger("pymesos").setLevel(logging.NOTSET)

__all__ = ["MasterDetector", "MesosSchedulerDriver"]
