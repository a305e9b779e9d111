import os
from pathlib import PurePosixPath

import pytest

from worker.model.cpu import available_cpus, cgroup_cpus, cpu_name, has_bfloat16, has_vnni

V1 = "1:cpu,cpuacct:/docker/abc\n"


def quota(files: dict[str, str]) -> float | None:
    return cgroup_cpus(lambda path: files.get(str(path)))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"/proc/self/cgroup": "0::/\n"}, None),
        ({"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2.5),
        ({"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "50000\n"}, None),
        ({"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "nonsense"}, None),
        ({"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "100000 0\n"}, None),
    ],
)
def test_quota_of_a_container_is_read(files: dict[str, str], expected: float | None) -> None:
    assert quota(files) == expected


def test_tightest_quota_of_nested_groups_counts() -> None:
    files = {
        "/proc/self/cgroup": "0::/kubepods/pod1/worker\n",
        "/sys/fs/cgroup/kubepods/pod1/worker/cpu.max": "max 100000",
        "/sys/fs/cgroup/kubepods/pod1/cpu.max": "150000 100000",
        "/sys/fs/cgroup/kubepods/cpu.max": "800000 100000",
    }
    assert quota(files) == 1.5


def test_first_version_quota_is_read_at_the_group_or_at_the_mount() -> None:
    at_group = {
        "/proc/self/cgroup": V1,
        "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "300000\n",
        "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
    }
    at_mount = {
        "/proc/self/cgroup": V1,
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    assert quota(at_group) == 3
    assert quota(at_mount) == 0.5


def test_first_version_without_a_limit_is_no_quota() -> None:
    files = {
        "/proc/self/cgroup": V1,
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    assert quota(files) is None


@pytest.mark.parametrize(("limit", "expected"), [(None, 4), (2.5, 2), (0.5, 1), (64.0, 4)])
def test_threads_fit_affinity_and_quota(monkeypatch: pytest.MonkeyPatch, limit: float | None, expected: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr("worker.model.cpu.cgroup_cpus", lambda _: limit)
    assert available_cpus() == expected


def test_this_machine_is_described() -> None:
    assert cpu_name()
    assert available_cpus() >= 1
    assert isinstance(has_vnni(), bool)


@pytest.mark.parametrize(
    ("machine", "flags", "expected"),
    [
        ("x86_64", "fpu avx2 avx512f", False),
        ("x86_64", "fpu avx2 avx512_vnni", True),
        ("x86_64", "fpu avx2 avx_vnni", True),
        ("aarch64", "", True),
    ],
)
def test_vnni_is_read_from_the_flags(monkeypatch: pytest.MonkeyPatch, machine: str, flags: str, expected: bool) -> None:
    def read(_: PurePosixPath) -> str:
        return f"processor\t: 0\nmodel name\t: A CPU\nflags\t\t: {flags}\n"

    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("worker.model.cpu._read", read)
    assert has_vnni() is expected
    assert cpu_name() == "A CPU"


@pytest.mark.parametrize(
    ("line", "expected"),
    [("flags\t\t: fpu avx2", False), ("flags\t\t: fpu avx512_bf16", True), ("Features\t: fp asimd bf16", True)],
)
def test_bfloat16_is_read_from_the_flags(monkeypatch: pytest.MonkeyPatch, line: str, expected: bool) -> None:
    monkeypatch.setattr("worker.model.cpu._read", lambda _: f"processor\t: 0\n{line}\n")
    assert has_bfloat16() is expected
