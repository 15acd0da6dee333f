"""Runs other programs and shows their lines as progress."""

from __future__ import annotations

import subprocess


def run(words, show, **options):
    """(exit code, everything that it wrote); ``show`` is called with each line that is not empty."""
    with subprocess.Popen(
        [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options
    ) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.strip():
                show(line.strip())
    return process.returncode, "".join(lines)
