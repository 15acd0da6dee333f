# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""llama-server on the xllamacpp wheel: the same flags, the same HTTP API, and a stop that lets requests in flight end.

    python llama_server.py --model FILE --host ADDRESS --port PORT [any other flag of llama-server]
    python llama_server.py --version        also checks that this wheel can be driven

The wheel holds llama.cpp's server and its argument parser, but offers the parser to nobody; it is called here through ctypes, after a
self-test.

SIGTERM: requests in flight and queued may end, for at most MODELFLEET_DRAIN_SECONDS (environment, default 30), then the engine stops.
The port accepts connections meanwhile: whoever sends requests stops first. A second signal ends at once.

Exit codes: 0 stopped, 1 could not start (the log says why) or was hurried, 78 wrong arguments: the same start can never succeed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time

WRONG_ARGUMENTS = 78
DRAIN_SECONDS = 30.0
POLL_SECONDS = 0.05
IDLE_POLLS = 3
"""A request is not counted while it is being read or tokenized: this many idle answers in a row mean that there is none."""
CLOSE_SECONDS = 10.0
"""For the last bytes of answers to reach their clients, once nothing is computed any more."""

PARSER = "_Z19common_params_parseiPPcR13common_params13llama_examplePFviS0_E"
"""bool common_params_parse(int argc, char ** argv, common_params & params, llama_example ex, void (*print_usage)(int, char **))"""
HEADER = object.__basicsize__
"""Bytes before the common_params that a CommonParams object holds by value."""
EXAMPLES = range(32)
"""llama_example is an enum whose numbers change between versions: the one of the server is found by trying."""


class Unfit(Exception):
    """This version of the wheel cannot be driven."""


def say(text):
    print("llama_server: %s" % text, file=sys.stderr, flush=True)


class Parser:
    """llama.cpp's own parser of llama-server's command line."""

    def __init__(self, wheel):
        """Raises Unfit when the wheel has no parser or lays its parameters out differently."""
        self._new = wheel.CommonParams
        library = ctypes.CDLL(wheel.xllamacpp.__file__)
        try:
            self._function = getattr(library, PARSER)
        except AttributeError:
            raise Unfit("it has no common_params_parse as we know it") from None
        self._function.restype = ctypes.c_bool
        self._function.argtypes = [
            ctypes.c_int, ctypes.POINTER(ctypes.c_char_p), ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p,
        ]  # fmt: skip
        with _silence(), _without_engine_variables():
            self._example = self._find_example()

    def parse(self, arguments):
        """CommonParams with ``arguments`` (list of str) in it, or None after the parser has printed what is wrong.

        Prints and ends the process for --help and its like.
        """
        params = self._new()
        return params if self._call(params, self._example, arguments) else None

    def _call(self, params, example, arguments):
        words = ["llama-server", *arguments]
        argv = (ctypes.c_char_p * (len(words) + 1))(*[os.fsencode(word) for word in words], None)
        return self._function(len(words), argv, id(params) + HEADER, example, None)

    def _find_example(self):
        probe = self._new()
        probe.n_predict = 0x5A5A5A5     # the first member of common_params
        if ctypes.c_int32.from_address(id(probe) + HEADER).value != 0x5A5A5A5:
            raise Unfit("its parameters are laid out differently")
        for example in EXAMPLES:        # --slots exists for the server only
            params = self._new()
            if self._call(params, example, ["--slots", "--port", "4242", "--alias", "probe"]) and params.port == 4242:
                return example
        raise Unfit("its parser knows no server")


@contextlib.contextmanager
def _silence():
    """Nothing is written to standard output and error, by C++ neither."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        yield
    finally:
        for target, copy in zip((1, 2), kept):
            os.dup2(copy, target)
            os.close(copy)
        os.close(nothing)


@contextlib.contextmanager
def _without_engine_variables():
    """The parser reads LLAMA_... variables too; a wrong one must fail the real parsing, not the self-test."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("LLAMA_")}
    try:
        yield
    finally:
        os.environ.update(hidden)


def requests_in_flight(server):
    """Requests that the engine computes or keeps waiting."""
    counted = ("llamacpp:requests_processing", "llamacpp:requests_deferred")
    return int(sum(float(line.split()[-1]) for line in server.handle_metrics().splitlines() if line.startswith(counted)))


def drain(server, seconds):
    """Waits until nothing is in flight, ``seconds`` at most. Returns what is still in flight then."""
    end = time.monotonic() + seconds
    idle = 0
    while idle < IDLE_POLLS:
        left = requests_in_flight(server)
        idle = 0 if left else idle + 1
        if left and time.monotonic() >= end:
            return left
        time.sleep(POLL_SECONDS)
    return 0


def serve(wheel, params, drain_seconds):
    """Runs the engine until SIGTERM or SIGINT, drains and ends the process. Returns 1 when the engine did not start."""
    start = time.monotonic()
    try:
        server = wheel.Server(params)
    except (RuntimeError, ValueError) as error:
        say("the engine did not start, the lines above say why (%s)" % error)
        return 1
    stop = threading.Event()

    def on_signal(*_):
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    say("ready after %.2f s on %s" % (time.monotonic() - start, server.listening_address))
    stop.wait()
    # The engine answers between two batches; should it never answer again, the kernel ends the process.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(drain_seconds + CLOSE_SECONDS) + 5)
    say("stopping, requests in flight have %g s to end" % drain_seconds)
    left = drain(server, drain_seconds)
    if left:
        # Destroying the server now would wait for these requests for ever.
        say("cut off after %g s, requests in flight: %d" % (drain_seconds, left))
        os._exit(0)
    watchdog = threading.Timer(CLOSE_SECONDS, os._exit, [0])
    watchdog.daemon = True
    watchdog.start()
    del server          # closes the listener and sends what is left of the answers
    say("stopped")
    os._exit(0)


def drain_seconds_of(environment):
    """Seconds for requests in flight. Raises ValueError for what is no number of seconds."""
    text = environment.get("MODELFLEET_DRAIN_SECONDS", "") or str(DRAIN_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86400:
        raise ValueError("MODELFLEET_DRAIN_SECONDS is %r, not a number of seconds from 0 to 86400" % text)
    return seconds


def main(arguments):
    signal.signal(signal.SIGINT, signal.SIG_DFL)        # like SIGTERM: while the model loads, both end the process at once
    try:
        import xllamacpp as wheel
    except ImportError as error:
        say("cannot load the xllamacpp wheel: %s" % error)
        return 1
    try:
        drain_seconds = drain_seconds_of(os.environ)
        parser = Parser(wheel)
    except Unfit as error:
        say("xllamacpp %s cannot be driven by this launcher: %s; use another backend_version" % (wheel.__version__, error))
        return WRONG_ARGUMENTS
    except ValueError as error:
        say(error)
        return WRONG_ARGUMENTS
    if "--version" in arguments:
        print("llama-server on xllamacpp %s" % wheel.__version__)
        return 0
    params = parser.parse(arguments)
    if params is None:
        say("wrong arguments: the line above names the first one")
        return WRONG_ARGUMENTS
    if not 1 <= params.port <= 65535:
        say("wrong arguments: --port must be given, from 1 to 65535 (it is %d)" % params.port)
        return WRONG_ARGUMENTS
    params.endpoint_metrics = True      # draining asks it what is in flight
    return serve(wheel, params, drain_seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
