"""The processors this process may use, and what they can do."""

import os
import platform
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import onnxruntime

Read = Callable[[PurePosixPath], str | None]
"""The text of a file, None where it cannot be read."""

_CGROUPS = PurePosixPath("/sys/fs/cgroup")


def available_cpus() -> int:
    """CPUs this process may keep busy: its affinity, bounded by the quota of its control groups. At least 1.

    A container sees all CPUs of its host; working on more threads than its quota gets it throttled, and a
    throttled worker misses its heartbeats. So a quota of 2.5 CPUs counts as 2.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_cpus(_read)
    return affinity if quota is None else max(1, min(affinity, int(quota)))


def cgroup_cpus(read: Read) -> float | None:
    """The tightest CPU quota over this process's control groups and their ancestors (v2 or v1); None: no limit."""
    quotas = []
    for line in (read(PurePosixPath("/proc/self/cgroup")) or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:
            quotas += [_v2(read(folder / "cpu.max")) for folder in _folders(_CGROUPS, group)]
        elif "cpu" in controllers.split(","):
            for root in (_CGROUPS / controllers, _CGROUPS / "cpu"):
                quotas += [
                    _v1(read(folder / "cpu.cfs_quota_us"), read(folder / "cpu.cfs_period_us"))
                    for folder in _folders(root, group)
                ]
    return min((quota for quota in quotas if quota is not None), default=None)


def cpu_name() -> str:
    """The processor's model name, such as `AMD EPYC 9B45`, else its architecture."""
    for line in (_read(PurePosixPath("/proc/cpuinfo")) or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def has_vnni() -> bool:
    """Whether this CPU multiplies 8-bit integers without intermediate 16-bit sums, which saturate.

    x86 needs one of the VNNI extensions; the kernels for 64-bit ARM do not saturate at all.
    """
    if platform.machine().lower() in {"aarch64", "arm64"}:
        return True
    return bool({"avx512_vnni", "avx_vnni", "avxvnni", "amx_int8"}.intersection(_flags()))


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 itself."""
    return bool({"avx512_bf16", "amx_bf16", "bf16"}.intersection(_flags()))


def runtime_version() -> str:
    """The version of onnxruntime in use."""
    return str(onnxruntime.__version__)


def _flags() -> list[str]:
    for line in (_read(PurePosixPath("/proc/cpuinfo")) or "").splitlines():
        if line.startswith(("flags", "Features")):  # x86, ARM
            return line.partition(":")[2].split()
    return []


def _folders(root: PurePosixPath, group: str) -> list[PurePosixPath]:
    # Inside a container the path is often the host's and does not exist here; the root itself then holds the limit.
    folder = root.joinpath(*PurePosixPath(group).parts[1:])
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(root))]


def _v2(text: str | None) -> float | None:
    quota, period = [*(text or "").split(), "", ""][:2]
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _v1(quota: str | None, period: str | None) -> float | None:
    return _v2(f"{(quota or '').strip()} {(period or '').strip()}")  # no limit is -1: not all digits


def _read(path: PurePosixPath) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return None
