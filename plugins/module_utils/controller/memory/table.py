# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory an instance needs: one estimator a backend, all with the same interface.

``estimate(metadata, parameters, devices, env) -> {ram, gpus: [bytes a device], parts: {name: bytes}, formula}``.
``devices``: [{"layers": n, "total": bytes of the GPU, None for any}] for each GPU that the instance uses, [] for the CPU; ``env``: the
definition's variables. All sizes are bytes.
``parts`` sums to ``ram`` plus the GPUs; ``formula`` says in words how it was reckoned. Raises ParameterError (a ValueError).
"""

from __future__ import annotations

from . import llama_cpp, vllm

ESTIMATORS = {
    "llama_cpp": llama_cpp.estimate,
    "vllm": vllm.estimate,
}


def estimate(metadata, parameters, devices, env, backend):
    """The estimate of ``backend``, see above."""
    return ESTIMATORS[backend](metadata, parameters, devices, env)
