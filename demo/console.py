"""What the demo prints: numbered steps with their time, lines that show progress, and troubles as sentences."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import time

INDENT = "    "
LONGEST = 120
"""Characters of a line of progress where there is no terminal."""


class Trouble(Exception):
    """The demo cannot go on. The text says what is wrong and what to do about it."""


class Steps:
    """``with steps("Deploy"):`` prints which step of how many begins, and how long it took."""

    def __init__(self, count):
        self.count, self.number = count, 0
        self._live = sys.stdout.isatty()
        self._shown = 0

    @contextlib.contextmanager
    def __call__(self, title):
        self.number += 1
        begun = self._shown = time.monotonic()
        print("%d/%d  %s" % (self.number, self.count, title), flush=True)
        try:
            yield
        finally:
            self._clear()
            print("%s%.1f s" % (INDENT, time.monotonic() - begun), flush=True)

    def say(self, text):
        """Prints lines that stay."""
        self._clear()
        for line in text.splitlines():
            print((INDENT + line).rstrip(), flush=True)

    def progress(self, text):
        """Shows what is being done now: on a terminal in one line, elsewhere at most a line a second."""
        if self._live:
            width = shutil.get_terminal_size().columns - len(INDENT) - 1
            print("\r\033[K%s%s" % (INDENT, text[:width]), end="", flush=True)
        elif time.monotonic() - self._shown >= 1:
            self._shown = time.monotonic()
            print("%s... %s" % (INDENT, text[:LONGEST]), flush=True)

    def _clear(self):
        if self._live:
            print("\r\033[K", end="", flush=True)


def main(function):
    """Runs ``function``; a Trouble becomes its sentence and exit code 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        function()
    except Trouble as trouble:
        print("\nThe demo stopped: %s" % trouble, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nStopped. `make demo` goes on where it was; `make demo-down` removes everything.", file=sys.stderr)
        sys.exit(130)
