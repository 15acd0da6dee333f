# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of all parts of a definition: no conversions, no unknown keys."""

from __future__ import annotations

from .compat import BaseModel, ConfigDict


class Strict(BaseModel):
    """``"1"`` is no number, ``1`` is no text, and a key that is not declared is an error."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
