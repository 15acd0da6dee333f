# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where models come from: the key that names the source in a definition -> its model. One file a source."""

from __future__ import annotations

from .path import PathSource

SOURCES = {
    "path": PathSource,
}
