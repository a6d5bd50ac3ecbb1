"""The process behind `executor=local`: it takes one piece of work after another from its parent.

Started as `python -m disco.executors.worker <fd> <parent>`: a fresh interpreter that inherits no
locks and no threads, limited in memory, and gone when its parent is.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import sys
import traceback
from multiprocessing.connection import Connection

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def serve(connection: Connection) -> None:
    """Answer items with ("done", result), ("memory", reason) or ("raised", traceback) until told to stop."""
    sys.path[:] = connection.recv()
    memory_bytes = connection.recv()
    work = pickle.loads(connection.recv_bytes())
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    connection.send(("ready", None))
    while True:
        try:
            item = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        try:
            answer = ("done", work(item))
        except MemoryError as error:
            answer = ("memory", str(error))
        except Exception:
            answer = ("raised", traceback.format_exc())
        connection.send(answer)


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    serve(Connection(int(sys.argv[1])))
