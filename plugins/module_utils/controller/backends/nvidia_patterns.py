# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of CUDA and its driver in the logs of any engine, and what they mean: {pattern: regex, cause: what to do}.

They come before a backend's own: an engine that finds no GPU goes on to complain about something else.
"""

from __future__ import annotations

_OTHER_BUILD = "set an older `backend_version`"

NVIDIA_PATTERNS = [
    {
        "pattern": r"NVIDIA driver on your system is too old \(found version (?P<found>\d+)\)",
        "cause": "The host's NVIDIA driver is too old for this build of the engine (it reaches CUDA version {found}, as 12040 for 12.4): install a newer "
                 "driver, or " + _OTHER_BUILD + " that was built for it.",
    },
    {
        "pattern": r"CUDA driver version is insufficient for CUDA runtime version|system has unsupported display driver / cuda driver combination",
        "cause": "The host's NVIDIA driver is too old for this build of the engine, or was updated without a reboot: install a newer driver, reboot, or "
                 + _OTHER_BUILD + ".",
    },
    {
        "pattern": r"forward compatibility was attempted on non supported HW",
        "cause": "The NVIDIA driver and the CUDA libraries that the engine found do not fit together: take CUDA's `compat` folder out of LD_LIBRARY_PATH, "
                 "or install a newer driver (after an update of the driver: reboot).",
    },
    {
        "pattern": r"system not yet initialized|CUDA_ERROR_SYSTEM_NOT_READY",
        "cause": "The GPUs are joined by NVSwitch, and its service does not run: install nvidia-fabricmanager in the version of the driver, and start it "
                 "(`systemctl enable --now nvidia-fabricmanager`).",
    },
    {
        "pattern": r"no kernel image is available for execution on the device",
        "cause": "This build of the engine was not compiled for this model of GPU: set another `backend_version` (a newer one for a new GPU, an older one for "
                 "an old GPU), or place the deployment on other GPUs (`placement`).",
    },
    {
        "pattern": r"CUDA unknown error - this may be due to|failed to initialize CUDA: unknown error",
        "cause": "CUDA could not reach the GPUs, often because the kernel module nvidia-uvm is not loaded: run `nvidia-modprobe -u -c=0` as root, or reboot.",
    },
    {
        "pattern": r"libcuda\.so\.1: cannot open shared object file",
        "cause": "The library of the NVIDIA driver, libcuda.so.1, is missing: install the driver (Debian: apt install libcuda1), or add the folder that has it "
                 "as LD_LIBRARY_PATH under `env` in the definition.",
    },
    {
        "pattern": r"(?P<library>lib(?:cudart|cublas\w*|cudnn\w*|cufft|curand|cusolver|cusparse\w*|nccl|nvrtc\w*|nvJitLink)\.so\.\d+)"
                   r": cannot open shared object file",
        "cause": "The CUDA library {library} is missing: add the folder that has it as LD_LIBRARY_PATH under `env` in the definition, or set a "
                 "`backend_version` whose build is for the host's CUDA.",
    },
    {
        "pattern": r"no CUDA-capable device is detected|No CUDA GPUs are available|failed to initialize CUDA: |Failed to infer device type",
        "cause": "The engine found no GPU that it can use: see whether `nvidia-smi` lists it for the service user, and whether this build is one for NVIDIA "
                 "GPUs.",
    },
]
