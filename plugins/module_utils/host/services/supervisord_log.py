# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How programs ended: supervisord tells it nowhere but in its log, once it has started them again."""

from __future__ import annotations

import re

TAIL_BYTES = 512 * 1024
SPAWNED = re.compile(r" spawned: '([^']+)' with pid (\d+)$")
ENDED = re.compile(r" (?:exited|stopped): (\S+) \((?:exit status (\d+)|terminated by SIG(\w+)(| \(core dumped\)))(?:; (?:not )?expected)?\)$")


def tail(path):
    """The last lines of its log; an empty text where there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def ends_in(text):
    """{program: [[pid, how it ended or None], ...]} of every start that the log tells of."""
    found = {}
    for line in text.splitlines():
        spawned, ended = SPAWNED.search(line), ENDED.search(line)
        if spawned:
            found.setdefault(spawned.group(1), []).append([int(spawned.group(2)), None])
        elif ended and found.get(ended.group(1)):
            found[ended.group(1)][-1][1] = _words(*ended.groups()[1:])
    return found


def last_exit(ends, launch):
    """How the program ended the last time since a run of modelfleet started it, in systemd's words, or None.

    ``ends``: of this program, as above; ``launch``: the launcher's state, which knows the last pid and how many restarts there were.
    """
    pids = [pid for pid, _how in ends]
    if launch.get("pid") not in pids:
        return launch.get("last_exit")
    current = len(pids) - 1 - pids[::-1].index(launch["pid"])
    since = ends[max(0, current - launch.get("restarts", 0)):]
    return next((how for _pid, how in reversed(since) if how), None)


def _words(code, name, dumped):
    if code is not None:
        return "exited %s" % code
    return "%s %s" % ("dumped" if dumped else "killed", name)
