#!/usr/bin/python
# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_info
short_description: Read what a model is from its files
version_added: "0.1.0"
author:
  - modelfleet contributors (@modelfleet)
description:
  - Reads the headers of GGUF and safetensors models on the machine where it runs, with the small JSON files beside them, and no weights.
  - Checks that a model is complete. All parts must be there and whole, and a safetensors model needs its C(config.json) and tokenizer.
  - A model that is missing, broken or not readable does not fail the module.
    Its RV(models) entry says in one sentence what is wrong.
  - Needs nothing but Python on the machine.
extends_documentation_fragment:
  - modelfleet.serving.reads
options:
  models:
    description:
      - The models to read. The keys are names of deployments, the values say where the model is.
      - Each value is a dictionary with the key C(path), the path of a GGUF file, of any part of a GGUF model
        that is split into several files, or of a directory with one model (GGUF, or safetensors with C(config.json)).
    type: dict
    required: true
  cache_dir:
    description:
      - Where relative paths begin.
    type: path
    default: /var/lib/modelfleet/models
  host:
    description:
      - What the sentences call this machine, usually C(inventory_hostname).
    type: str
  user:
    description:
      - The user that will run the engine. It must be able to read the files,
        judged by the permissions of owner, group and others.
      - A user that does not exist yet is judged by what everybody may do.
    type: str
seealso:
  - module: modelfleet.serving.definitions
"""

EXAMPLES = r"""
- name: Read the headers of two models
  modelfleet.serving.model_info:
    host: "{{ inventory_hostname }}"
    user: modelfleet
    models:
      qwen3:
        path: /srv/models/Qwen3-8B-Q4_K_M.gguf
      bge-m3:
        path: /srv/models/bge-m3    # a directory of safetensors
  register: found

- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ found.models | dict2items | map(attribute='value.error') | select | list }}"
"""

RETURN = r"""
models:
  description: One entry for each key of O(models).
  returned: success
  type: dict
  sample:
    qwen3:
      path: /srv/models/Qwen3-8B-Q4_K_M.gguf
      found: false
      error: "gpu01: /srv/models/Qwen3-8B-Q4_K_M.gguf: no such file (/srv/models does not exist)"
      metadata: null
  contains:
    path:
      description: The path that was asked for, as an absolute one.
      type: str
      returned: always
    found:
      description: Whether something is there.
      type: bool
      returned: always
    error:
      description:
        - What is wrong, in one sentence that begins with the host and the path.
        - Null when the model can be served.
      type: str
      returned: always
    metadata:
      description:
        - What the headers say. Null when there is an error. Sizes are bytes.
        - Keys are C(format) (V(gguf) or V(safetensors)), C(architecture), C(model_type), C(name), C(parameters), C(layers), C(heads),
          C(kv_heads), C(head_dim_k), C(head_dim_v), C(embedding_length), C(feed_forward_length), C(vocab_size), C(context),
          C(dtype), C(quantization), C(weights_bytes), C(file_bytes), C(files), C(layer_bytes), C(input_bytes), C(output_bytes),
          C(tied), C(experts), C(sliding_window), C(pooling), C(has_chat_template), C(custom_code), C(fingerprint), C(category),
          C(categories), C(category_rule).
        - C(architecture) is the header's for GGUF, for example V(llama), and a class name for safetensors, for example V(LlamaForCausalLM).
        - C(model_type) and C(dtype) are null for GGUF. C(custom_code) says that Python code in the directory belongs to the model.
        - The first entry of C(files) holds weights. An engine is given that file (GGUF) or its directory (safetensors).
      type: dict
      returned: always
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.local import inspect


def main():
    module = AnsibleModule(
        argument_spec={
            "models": {"type": "dict", "required": True},
            "cache_dir": {"type": "path", "default": "/var/lib/modelfleet/models"},
            "host": {"type": "str"},
            "user": {"type": "str"},
        },
        supports_check_mode=True,
    )
    paths = {}
    for name, source in module.params["models"].items():
        path = source.get("path") if isinstance(source, dict) else None
        if not isinstance(path, str) or not path:
            module.fail_json(msg="models.%s must be a dictionary with path, a text" % name)
        paths[name] = os.path.join(module.params["cache_dir"], path)
    # Several deployments may serve one model: it is read once.
    answers = {path: inspect(path, module.params["host"], module.params["user"]) for path in sorted(set(paths.values()))}
    module.exit_json(changed=False, models={name: answers[path] for name, path in paths.items()})


if __name__ == "__main__":
    main()
