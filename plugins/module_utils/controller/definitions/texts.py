# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of texts in definitions, and the sentence that each of them is."""

from __future__ import annotations

from ...common.names import NAME, NAME_RULE

DEPLOYMENT_NAME = "^%s$" % NAME.pattern
ALIAS = "^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$"
VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"
VERSION = "^[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}$"
PINNED_PACKAGE = (r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[A-Za-z0-9._-]+(?:,[A-Za-z0-9._-]+)*\])?"
                  r"==[A-Za-z0-9][A-Za-z0-9.!+_-]*$")
ABSOLUTE_PATH = "^/[^\\x00-\\x1f]*$"
MODEL_PATH = "^[^\\x00-\\x1f~][^\\x00-\\x1f]*$"
GPU = "^[^:\\s]+:[0-9]{1,3}$"
PRINTABLE = "^[^\\x00-\\x08\\x0b-\\x1f]*$"

RULES = {
    DEPLOYMENT_NAME: NAME_RULE,
    ALIAS: "letters, digits and . _ : / @ + -, at most 128 characters, the first one a letter or digit",
    VARIABLE: "the name of an environment variable: letters, digits and _, the first one not a digit",
    VERSION: "a version like 1.2.3",
    PINNED_PACKAGE: 'a Python package with its exact version, like "flashinfer-python==0.4.1"',
    ABSOLUTE_PATH: "an absolute path (it begins with /)",
    MODEL_PATH: "an absolute path, or one that begins below modelfleet_cache_dir of the host (~ means nothing there)",
    GPU: 'a host and the index of a GPU, like "gpu01:0"',
    PRINTABLE: "a text without control characters",
}
