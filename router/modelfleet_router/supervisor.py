# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor: owns the listening sockets and the registry file's watch, starts workers and replaces them.

It serves no request itself. Workers inherit the sockets, so that none of them can take a socket along when it ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import traceback
from collections.abc import Callable
from pathlib import Path

from . import __version__, log
from .admin import Admin
from .config import Config, ConfigInvalid
from .metrics import Snapshot, merge
from .registry_file import RegistryFile
from .sockets import listen, listen_unix, notify, public_sockets, share
from .worker_process import WorkerProcess

WATCH_INTERVAL = 0.2  # seconds between looks at the registry file
ANSWER_TIME = 1.0  # seconds a worker has to answer
APPLY_TIME = 5.0  # seconds that a reload waits for the workers
SHORT_LIFE = 5.0  # seconds: a worker that ends sooner is restarted after a growing pause
RESTART_DELAY, RESTART_DELAY_MAX = 0.1, 5.0  # seconds
KILL_AFTER = 5.0  # seconds after the drain timeout


class Supervisor:
    """``slots`` are the workers that accept; ``workers`` also holds those that finish what they have."""

    def __init__(self, config: Config, reload_config: Callable[[], Config]):
        self._config = config
        self._reload_config = reload_config
        self._file = RegistryFile(Path(config.registry), config.fleet)
        self._slots: list[WorkerProcess | None] = [None] * config.processes
        self._short_lives = [0] * config.processes
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task] = set()
        self._replacing = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._legacy: Snapshot = []
        self._announced = False
        self.workers: set[WorkerProcess] = set()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises SocketProblem."""
        loop = asyncio.get_running_loop()
        # The admin socket first: it is what keeps a second router of this fleet away from the public address.
        admin_socket = listen_unix(Path(self._config.admin_socket))
        admin = Admin(self)
        try:
            self._sockets = public_sockets(self._config.listen, self._config.processes, os.environ, os.getpid())
            await admin.start(admin_socket, self._metrics_socket())
            for name in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(name, self._stopping.set)
            loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._replace_all()))
            log.event("listening", version=__version__, address="{}:{}".format(*self._sockets[0].getsockname()[:2]))
            self._file.look()
            for slot in range(len(self._slots)):
                self._spawn(self._start(slot))
            watching = self._spawn(self._watch_file())
            await self._stopping.wait()
            watching.cancel()
            await self._stop()
        finally:
            await admin.close()
            Path(self._config.admin_socket).unlink(missing_ok=True)

    async def status(self) -> dict:
        """What GET /status answers; takes ANSWER_TIME when a worker does not answer."""
        workers = sorted(self.workers, key=lambda worker: worker.pid)
        responsive = await asyncio.gather(*(worker.ask("status", ANSWER_TIME) for worker in workers))
        order = self._file.in_force.registry.order if self._file.in_force else (0, 0)
        return {
            "fleet": self._config.fleet,
            "version": __version__,
            "generation": order[0],
            "revision": order[1],
            "refused": self._file.refused,
            "workers": [
                {"pid": w.pid, "responsive": r, **w.status}
                for w, r in zip(workers, responsive, strict=True)
                if w in self.workers
            ],
        }

    async def metrics(self) -> Snapshot:
        """The sum over all workers, those that have ended included."""
        workers = list(self.workers)
        await asyncio.gather(*(worker.ask("metrics", ANSWER_TIME) for worker in workers))
        return merge([self._legacy, *(worker.metrics for worker in self.workers)])

    async def reload(self) -> bool:
        """Read the registry file again and wait for the workers that answer. False when the file is refused."""
        self._look(force=True)
        await asyncio.gather(*(worker.ask("status", APPLY_TIME) for worker in self.workers))
        return self._file.refused is None

    def _metrics_socket(self):
        return listen(self._config.metrics_listen) if self._config.metrics_listen else None

    async def _watch_file(self):
        while True:
            await asyncio.sleep(WATCH_INTERVAL)
            try:
                self._look()
            except Exception:
                # Whatever it is: the registry in force goes on serving, and the next file is looked at again.
                log.event("registry_watch_failed", error=traceback.format_exc())

    def _look(self, force=False):
        in_force = self._file.look(force)
        if in_force is not None:
            for worker in self.workers:
                worker.put_in_force(in_force)

    async def _start(self, slot):
        """A new worker for ``slot``; the slot is its own once it serves. Returns whether it does."""
        if self._stopping.is_set():
            return False
        sockets = share(self._sockets, slot, len(self._slots))
        in_force = self._file.in_force
        worker = await WorkerProcess.start(self._config, sockets, in_force)
        self.workers.add(worker)
        if self._file.in_force is not in_force:
            worker.put_in_force(self._file.in_force)
        if self._stopping.is_set():
            worker.drain(self._config.drain_timeout)
        before, self._slots[slot] = self._slots[slot], worker
        self._spawn(self._attend(slot, worker))
        if not await worker.ready():
            log.event("worker_not_ready", worker=worker.pid)
            worker.kill()
            if before is not None and before.serving and self._slots[slot] is worker:
                self._slots[slot] = before
            return False
        log.event("worker_ready", worker=worker.pid, slot=slot)
        if not self._announced and all(w and w.serving for w in self._slots):
            self._announced = True
            notify("READY=1", os.environ)
        return True

    async def _replace(self, slot):
        """Make before break: the old worker goes on accepting until the new one serves."""
        async with self._replacing:
            before = self._slots[slot]
            if await self._start(slot) and before is not None:
                before.drain(self._config.drain_timeout)

    async def _replace_all(self):
        try:
            config = self._reload_config()
        except ConfigInvalid as error:
            log.event("config_refused", problems=error.problems)
        else:
            # What belongs to the supervisor's own sockets and slots stays until a restart.
            kept = ("fleet", "registry", "admin_socket", "listen", "metrics_listen", "processes")
            self._config = config.model_copy(update={name: getattr(self._config, name) for name in kept})
        self._look(force=True)
        for slot in range(len(self._slots)):
            await self._replace(slot)

    async def _attend(self, slot, worker):
        """Until the end of ``worker``: keep its slot served."""
        ending = asyncio.ensure_future(worker.ended())
        draining = asyncio.ensure_future(worker.draining.wait())
        await asyncio.wait([ending, draining], return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        if not ending.done() and self._slots[slot] is worker:
            self._spawn(self._replace(slot))  # somebody else told it to go
        status = await ending
        self.workers.discard(worker)
        self._legacy = merge([self._legacy, worker.legacy()])
        log.event("worker_ended", worker=worker.pid, slot=slot, status=status)
        lived = asyncio.get_running_loop().time() - worker.started
        self._short_lives[slot] = self._short_lives[slot] + 1 if lived < SHORT_LIFE else 0
        if self._slots[slot] is worker and not self._stopping.is_set():
            await asyncio.sleep(self._pause(slot))
            if self._slots[slot] is worker:
                await self._start(slot)

    def _pause(self, slot):
        short = self._short_lives[slot]
        return min(RESTART_DELAY * 2 ** min(short, 10), RESTART_DELAY_MAX) if short > 1 else 0

    async def _stop(self):
        notify("STOPPING=1", os.environ)
        log.event("stopping", drain_timeout=self._config.drain_timeout)
        for worker in self.workers:
            worker.drain(self._config.drain_timeout)
        await asyncio.wait(
            [asyncio.ensure_future(w.draining.wait()) for w in self.workers] or [_nothing()], timeout=ANSWER_TIME
        )
        # Closed only now: connections that were waiting have been accepted, new ones are refused, not left hanging.
        for sock in self._sockets:
            sock.close()
        deadline = asyncio.get_running_loop().time() + self._config.drain_timeout + KILL_AFTER
        while self.workers and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
        for worker in self.workers:
            worker.kill()

    def _spawn(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task):
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.event("task_failed", error="".join(traceback.format_exception(task.exception())))


async def _nothing():
    return None
