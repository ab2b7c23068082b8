"""The machine's facts, against what other programs say."""

import os
import subprocess

from stackyard.hosts import machine


def test_facts_agree_with_the_system() -> None:
    facts = machine.facts()
    assert facts.hostname == os.uname().nodename
    assert facts.kernel_version == subprocess.check_output(["uname", "-r"], text=True).strip()
    assert facts.cpus == int(subprocess.check_output(["nproc"], text=True))
    assert facts.memory == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < facts.memory_available <= facts.memory
    assert 0 < facts.disk_available <= facts.disk


def test_traffic_is_counted_and_none_of_a_process_that_is_gone() -> None:
    received, sent = machine.traffic(os.getpid())
    assert received >= 0
    assert sent >= 0
    assert machine.traffic(2**22 - 1) == (0, 0)
