# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of builds: the directories of installed backends on hosts."""

from __future__ import annotations

from ...common.canonical import digest

SHORT = 8


def build_name(parts, packages):
    """``parts`` (version, digest of the launcher, ...) joined, and a digest of the extra ``packages`` where there are any."""
    extra = [digest(sorted(packages)).split(":")[1][:SHORT]] if packages else []
    return "-".join([*parts, *extra])
