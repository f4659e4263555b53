from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

from workers.stopping import Stopping

# Tells itself again and again to stop, at any moment of the wait; an event comes to stand still within a second.
LOOP = """
import signal
from workers.stopping import Stopping
stopping, told = Stopping(), 0
def tell(*_):
    global told
    told += 1
    stopping.set()
    stopping._is_set = False
signal.signal(signal.SIGUSR1, tell)
print("ready", flush=True)
while told < 1000:
    stopping.wait(0.0002)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
"""


def test_a_signal_may_tell_it_at_any_moment():
    with subprocess.Popen([sys.executable, "-c", LOOP], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            process.send_signal(signal.SIGUSR1)
            time.sleep(random.random() * 0.002)
        if process.poll() is None:
            process.kill()
    assert process.returncode == os.EX_OK


def test_whoever_waits_hears_it_at_once_and_later_waits_not_at_all():
    stopping = Stopping()
    assert not stopping.is_set()
    stopping.set()
    begun = time.monotonic()
    stopping.wait(60)
    stopping.wait(60)
    assert stopping.is_set()
    assert time.monotonic() - begun < 30
