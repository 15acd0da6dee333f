# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory an instance needs: one estimator a backend, all with the same interface.

``estimate(metadata, parameters, devices) -> {ram, gpus: [bytes a device], parts: {name: bytes}, formula}``.
``devices``: [{"layers": n}] for each GPU that the instance uses, [] for the CPU. All sizes are bytes.
``parts`` sums to ``ram`` plus the GPUs; ``formula`` says in words how it was reckoned. Raises ParameterError (a ValueError).
"""

from __future__ import annotations

from . import llama_cpp

ESTIMATORS = {
    "llama_cpp": llama_cpp.estimate,
}


def estimate(metadata, parameters, devices, backend):
    """The estimate of ``backend``, see above."""
    return ESTIMATORS[backend](metadata, parameters, devices)
