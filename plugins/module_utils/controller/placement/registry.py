# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry that a plan wants: models, entries before and after, and whether a router has it."""

from __future__ import annotations

from ...common.registry_document import registry_document


def registry_models(definitions, categories, leaving):
    """Models in order of their names.

    ``categories``: {name: [..]} for definitions that name none; ``leaving``: [{name, aliases, categories}] of models that go with
    their last instance; their entries are marked.
    """
    models = [_model(definition["name"], definition["aliases"], definition["categories"] or categories.get(definition["name"], []))
              for definition in definitions]
    models += [{**_model(model["name"], model["aliases"], model["categories"]), "leaving": True} for model in leaving]
    return sorted(models, key=lambda model: model["name"])


def active(entry):
    """A recorded registry entry as it takes part in the plan."""
    return {**entry, "state": "active"}


def final_registry(plan):
    """The registry at the plan's end."""
    return registry_document(plan, len(plan["waves"]), "final")


def same_registry(one, other):
    """Whether two registry documents (or None) say the same, whatever their numbers."""
    return _content(one) == _content(other)


def _content(registry):
    if not registry:
        return None
    return (sorted(registry["models"], key=lambda model: model["name"]),
            sorted(registry["instances"], key=lambda instance: instance["id"]))


def _model(name, aliases, categories):
    return {"name": name, "aliases": list(aliases), "categories": list(categories), "balancing": "least_outstanding", "limits": None}
