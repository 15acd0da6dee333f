# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source ``{path: ...}``: a model that already lies on the hosts."""

from __future__ import annotations

from ..compat import Field
from ..strict import Strict
from ..texts import MODEL_PATH


class PathSource(Strict):
    """The model is already on the hosts; instances are placed only where it is."""

    path: str = Field(
        pattern=MODEL_PATH,
        description="Path on the hosts: a GGUF file, any part of a split one, or a directory with one model. A relative one"
        " begins in the host's `modelfleet_cache_dir`.")
