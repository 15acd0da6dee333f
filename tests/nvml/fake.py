"""Builds the stand-in for NVIDIA's library, and writes what it answers. The real `pynvml` loads it."""

import os
import shutil
import subprocess

import pytest

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nvml.c")
VERSION = "560.35.03"
GIB = 1024**3


def build(folder):
    """The folder with ``libnvidia-ml.so.1``, for LD_LIBRARY_PATH. Without a compiler tests are skipped, in CI they fail."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no C compiler here (Debian: gcc and libc6-dev)")
    library = os.path.join(str(folder), "libnvidia-ml.so." + VERSION)
    subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    os.symlink(os.path.basename(library), os.path.join(str(folder), "libnvidia-ml.so.1"))
    return str(folder)


def uuid(index):
    return "GPU-%08d-aaaa-bbbb-cccc-0123456789ab" % index


def bus(index):
    return "0000:%02x:00.0" % (0x10 + index)


def card(index, **differences):
    """A healthy H100 as a line of the scenario. ``None`` takes a key away."""
    values = {
        "uuid": uuid(index), "bus": "0000" + bus(index), "name": "NVIDIA_H100_80GB_HBM3", "total": 80 * GIB, "used": GIB // 2, "cc": "9.0", "mig": 0, "mode": 0,
        "ecc": 0, "pending": 0, "failed": 0, "recovery": 0,
    }  # fmt: skip
    values.update(differences)
    return "card " + " ".join("%s=%s" % (key, value) for key, value in values.items() if value is not None)


def scenario(path, *lines, driver=VERSION, cuda=12060):
    path.write_text("\n".join(["driver " + driver, "cuda %d" % cuda, *lines]) + "\n")
    return str(path)
