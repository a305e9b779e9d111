"""Processor time of processes: what they used between two looks, and that of their children."""

import os
import shlex
import subprocess
import sys
import time

from load_tests.bench.cpu import Machine, Sample, cores, machine, sample, stolen_share

BUSY = "import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass\nprint(flush=True); input()"


def test_cores_are_the_time_used_by_the_time_that_passed() -> None:
    samples = [Sample(10.0, {"worker": 5.0, "broker": 1.0}), Sample(11.0, {"worker": 5.1, "broker": 1.0})]
    samples.append(Sample(14.0, {"worker": 11.0, "broker": 2.0}))
    assert cores(samples) == {"worker": 1.5, "broker": 0.25}


def test_one_look_tells_nothing() -> None:
    assert cores([Sample(1.0, {"worker": 1.0})]) == cores([]) == {}


def test_a_childs_time_is_its_parents() -> None:
    child = f"{shlex.quote(sys.executable)} -c {shlex.quote(BUSY)}; exit"
    with subprocess.Popen(["/bin/sh", "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        used = sample({"shell": shell.pid, "own": os.getpid()}).used
        assert used["shell"] >= 0.5 - 0.04  # two counters for each of two processes, each of whole ticks (10 ms)
        assert used["own"] <= time.process_time() + 0.1
        shell.communicate(b"\n")


def test_what_other_guests_took_is_a_share_of_all_processors() -> None:
    assert stolen_share(Machine(100.0, 5.0), Machine(140.0, 15.0)) == 0.25
    assert stolen_share(Machine(100.0, 5.0), Machine(100.0, 5.0)) == 0.0


def test_the_machines_time_goes_on() -> None:
    before = machine()
    time.sleep(0.1)
    after = machine()
    assert after.whole > before.whole
    assert after.stolen >= before.stolen >= 0.0
