"""What the host says of itself: ports, memory, logs, health. Real processes and sockets; /proc texts of a Debian 12 host where numbers must be known."""

import http.server
import os
import socket
import subprocess
import sys
import threading

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.host.launch import health
from ansible_collections.modelfleet.serving.plugins.module_utils.host.system import logs, machine, ports
from ansible_collections.modelfleet.serving.plugins.module_utils.host.system.memory import memory, read_meminfo

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B004D0A:A028 00000000:0000 0A 00000000:00000000 00:00000000 00000000   997        0 4242 1 00000000a3c1 100 0 0 10 0
   1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4243 1 00000000a3c2 100 0 0 10 0
   2: 0B004D0A:A029 01004D0A:D431 01 00000000:00000000 02:000A7214 00000000   997        0 4244 2 00000000a3c3 20 4 30 10 -1
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:A02A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4245
"""
MEMINFO = "MemTotal:       16384000 kB\nMemFree:         1000000 kB\nMemAvailable:   12000000 kB\nHugePages_Total:       0\n"
STATUS = "Name:\tengine\nVmRSS:\t  900000 kB\nRssAnon:\t  300000 kB\nRssFile:\t  500000 kB\nRssShmem:\t  100000 kB\n"


@pytest.fixture
def proc(tmp_path):
    """A /proc with engine 50, its child 51 and a stranger 60; 51 listens on 41000."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TCP)
    (tmp_path / "net" / "tcp6").write_text(TCP6)
    (tmp_path / "meminfo").write_text(MEMINFO)
    for pid, parent, command in ((50, 1, "python3"), (51, 50, "llama (server)"), (60, 1, "other")):
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "stat").write_text("%d (%s) S %d 50 50 0 -1\n" % (pid, command, parent))
        (folder / "status").write_text(STATUS)
        (folder / "comm").write_text(command + "\n")
    os.symlink("socket:[4242]", tmp_path / "51" / "fd" / "3")
    os.symlink("socket:[4243]", tmp_path / "60" / "fd" / "3")
    return str(tmp_path)


def test_listening_ports_of_the_range(proc):
    assert ports.listening(41000, 41999, proc) == [41000, 41002]
    assert ports.listening(80, 80, proc) == [80]
    assert ports.listening(41001, 41001, proc) == []


def test_who_holds_a_port(proc):
    assert ports.holder(41000, root=proc) == "pid 51 (llama (server))"
    assert ports.holder(41000, 60, proc) == "pid 51 (llama (server))"
    assert ports.holder(41002, root=proc) == "an unknown process"
    assert ports.holder(41001, root=proc) is None


def test_an_engine_may_hold_its_own_port(proc):
    assert ports.holder(41000, 50, proc) is None


def test_a_socket_belongs_to_a_process_and_what_it_started(proc):
    assert sorted(health.family(50, proc)) == [50, 51]
    assert health.owns_socket(50, health.listening_inodes(41000, proc), proc)
    assert not health.owns_socket(60, health.listening_inodes(41000, proc), proc)
    assert not health.owns_socket(4711, health.listening_inodes(41000, proc), proc)


def test_foreign_memory_is_what_neither_cache_nor_engines_use(proc):
    kib = 1024
    assert read_meminfo(MEMINFO) == {"total": 16384000 * kib, "available": 12000000 * kib}
    assert memory([], proc)["ram_foreign"] == 4384000 * kib
    assert memory([50], proc)["ram_foreign"] == (4384000 - 2 * 400000) * kib
    assert memory([0, 4711], proc) == {"ram_total": 16384000 * kib, "ram_available": 12000000 * kib, "ram_foreign": 4384000 * kib}


def test_foreign_memory_is_never_below_nothing(proc):
    with open(os.path.join(proc, "60", "status"), "w") as file:
        file.write("RssAnon:\t  9000000 kB\nRssShmem:\t  0 kB\n")
    assert memory([60], proc)["ram_foreign"] == 0


def test_this_machine():
    seen = machine.describe()
    assert seen["cpus"] >= 1 and len(seen["boot_id"]) == 36 and seen["os"] and seen["arch"] == os.uname().machine
    assert machine.free_bytes("/none/such/folder") > 0


@pytest.mark.parametrize(
    "text, found",
    [
        ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n', ("Debian GNU/Linux", "12")),
        ("NAME=Fedora\nVERSION_ID=42\n", ("Fedora", "42")),
        ("", ("Linux", "")),
    ],
)
def test_os_release(text, found):
    assert machine.read_os_release(text) == found


class Engine(http.server.BaseHTTPRequestHandler):
    answer = 200
    slow = threading.Event()

    def do_GET(self):
        if self.path == "/slow":
            self.slow.wait(10)
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def engine():
    """The port of an engine that is this process."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    Engine.slow.set()
    server.shutdown()
    server.server_close()
    Engine.slow.clear()


def test_health_of_a_real_process(engine):
    def ask(path="/health"):
        return health.check(os.getpid(), "127.0.0.1", engine, path, 0.5)

    assert ask() == health.HEALTHY
    assert ask("/loading") == health.NOT_READY
    assert ask("/slow") == health.BUSY


def test_an_orphan_on_the_port_does_not_answer_for_the_engine(engine):
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert health.check(stranger.pid, "127.0.0.1", engine, "/health", 0.5) == health.FOREIGN
    finally:
        stranger.communicate(b"\n")


def test_nobody_listens():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert health.check(os.getpid(), "127.0.0.1", bound.getsockname()[1], "/health", 0.5) == health.CLOSED


def test_who_holds_a_real_port(engine):
    assert ports.holder(engine).startswith("pid %d (" % os.getpid())


LOG = ["old engine", "modelfleet: starting a-0 generation 1 pid 5", "out of memory", "modelfleet: starting a-0 generation 2 pid 6", "loading", "gone"]


@pytest.mark.parametrize(
    "lines, expected",
    [(LOG, LOG[3:]), (["only", "these"], ["only", "these"]), ([], [])],
    ids=["since the last start", "no start seen", "empty"],
)
def test_lines_of_the_last_start(tmp_path, lines, expected):
    path = tmp_path / "a.log"
    path.write_text("".join(line + "\n" for line in lines))
    assert logs.last_start(str(path)) == expected


def test_no_log_no_lines(tmp_path):
    assert logs.last_start(str(tmp_path / "none.log")) == []


def test_a_huge_log_is_read_from_its_end(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"modelfleet: starting a-0 generation 1 pid 5\n" + b"\xff\xfe x\n" * 100000 + b"last\n")
    lines = logs.last_start(str(path), limit=1000)
    assert lines[-1] == "last" and sum(len(line) + 1 for line in lines) <= 1000


def test_a_likely_cause():
    patterns = [{"pattern": "cannot open (?P<file>\\S+)", "cause": "install {file}"}, {"pattern": "memory", "cause": "needs more memory"}]
    assert logs.likely_cause(["x", "  out of memory"], patterns) == ("needs more memory", "out of memory")
    assert logs.likely_cause(["out of memory", "cannot open lib.so"], patterns) == ("install lib.so", "cannot open lib.so")
    assert logs.likely_cause(["fine"], patterns) == (None, None)
    assert logs.likely_cause(["out of memory", logs.REFUSAL + "/m.gguf is not there"], patterns) == ("/m.gguf is not there.", None)


def test_long_lines_are_cut_where_people_read_them():
    _cause, line = logs.likely_cause(["memory: " + "x" * 9000], [{"pattern": "memory", "cause": "needs more"}])
    assert len(line) < 410 and line.startswith("memory: xxx") and line.endswith("x ...")
