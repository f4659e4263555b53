"""Becomes another program that Linux kills when the process that started it dies.

Run as a script by `processes`, never imported: ``python leash.py PARENT_PID PROGRAM [ARGUMENT ...]``.
Does not wait, restart or log; it replaces itself with the program, which keeps its process id.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, then run the program in its place.

    Source: prctl(2), "PR_SET_PDEATHSIG": the setting survives execve. It fires when the *thread* that
    started this process ends, so `processes` starts everything from one thread that lives on.
    """
    parent_pid, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent_pid):
            sys.exit("the parent died before this process was tied to it")
    os.execv(command[0], command)  # noqa: S606 - the point of this file; the command is a list, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
