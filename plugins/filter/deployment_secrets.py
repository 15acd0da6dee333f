# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that hands instances the values of the secrets that their definitions name."""

from __future__ import annotations


def deployment_secrets(deployments, secrets, names):
    """{deployment: {environment variable: value}} for the deployments in ``names``.

    ``deployments``: normalized definitions; ``secrets``: {name: value}, the variable modelfleet_secrets.
    """
    return {
        str(definition["name"]): {variable: secrets[secret] for variable, secret in definition["secrets"].items()}
        for definition in deployments
        if definition["name"] in names and definition["secrets"]
    }


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {"deployment_secrets": deployment_secrets}
