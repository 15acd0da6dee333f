"""Files on a host: whole or not at all, for the right eyes, trouble in one sentence."""

import json
import os
import resource
import subprocess
import sys

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.common.fleet_merge import empty_fleet
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.fleet_file import FleetFiles
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.store import Store
from ansible_collections.modelfleet.serving.plugins.module_utils.host.system import files

NOBODY = "nobody-of-that-name"


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path), NOBODY)


def mode(path):
    return os.stat(path).st_mode & 0o777


def test_records_are_read_back_sorted_and_make_the_digest(store, record):
    assert store.records() == [] and store.record("prod", "b-0") is None
    empty = store.digest()
    for name in ("b-0", "a-1"):
        store.write_record(record(name))
    assert [found["instance"] for found in store.records()] == ["a-1", "b-0"]
    assert store.record("prod", "b-0") == record("b-0")
    one = store.digest()
    store.write_record(record("b-0", generation=4))
    assert len({empty, one, store.digest()}) == 3
    store.remove_instance("prod", "b-0")
    store.remove_instance("prod", "a-1")
    assert store.digest() == empty


def test_rights_of_files(store, record):
    store.write_record(record())
    store.write_secrets("prod", "qwen3-0", {"HF_TOKEN": "t"})
    store.write_credential("prod", "qwen3", "k" * 32)
    assert mode(store.record_path("prod", "qwen3-0")) == 0o640
    for path in (store.secrets_path("prod", "qwen3-0"), store.credential_path("prod", "qwen3")):
        assert mode(path) == 0o600 and mode(os.path.dirname(path)) == 0o700


def test_secrets_and_keys_are_compared_by_value(store):
    assert not store.secrets_differ("prod", "a-0", {})
    assert store.secrets_differ("prod", "a-0", {"A": "1"})
    store.write_secrets("prod", "a-0", {"A": "1"})
    assert not store.secrets_differ("prod", "a-0", {"A": "1"})
    store.write_secrets("prod", "a-0", {})
    assert not os.path.exists(store.secrets_path("prod", "a-0"))
    assert store.credential_differs("prod", "a", "key")
    store.write_credential("prod", "a", "key")
    assert not store.credential_differs("prod", "a", "key")


def test_removing_an_instance_leaves_other_instances(store, record):
    for name in ("a-0", "a-1"):
        store.write_record(record(name))
        store.write_secrets("prod", name, {"A": "1"})
    store.remove_instance("prod", "a-0")
    store.remove_instance("prod", "a-0")
    assert [found["instance"] for found in store.records()] == ["a-1"]
    assert os.listdir(store.path("secrets")) == ["prod.a-1.json"]


def test_a_broken_record_is_named(store, record):
    store.write_record(record())
    with open(store.record_path("prod", "qwen3-0"), "w") as file:
        file.write("{")
    with pytest.raises(files.Trouble, match="prod.qwen3-0.json is not JSON"):
        store.records()


def test_what_is_half_written_is_no_record(store, record):
    store.write_record(record())
    with open(store.record_path("prod", "qwen3-1") + ".4711.new", "w") as file:
        file.write("{")
    assert len(store.records()) == 1


def test_a_link_of_the_service_user_does_not_lead_root_elsewhere(tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "state.json"
    victim.write_text("precious")
    os.symlink(victim, "%s.%d.new" % (path, os.getpid()))
    files.write_atomic(str(path), "{}", 0o600)
    assert victim.read_text() == "precious" and path.read_text() == "{}" and not path.is_symlink()


def test_a_disk_that_takes_only_a_part_is_noticed(tmp_path):
    """A file size limit makes the kernel write a part, and then refuse: the old file stays, no partial file is left."""
    path = tmp_path / "record.json"
    path.write_text("old")
    code = (
        "import resource, signal, sys; sys.path[:0] = %r\n"
        "from ansible_collections.modelfleet.serving.plugins.module_utils.host.system import files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, %d))\n"
        "try: files.write_atomic(%r, 'x' * 5000, 0o600)\n"
        "except files.Trouble as trouble: print(trouble)\n"
    ) % (sys.path, resource.getrlimit(resource.RLIMIT_FSIZE)[1], str(path))
    said = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert str(path) in said
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["record.json"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence_with_path_and_free_bytes():
    with pytest.raises(OSError) as caught:
        with open("/dev/full", "w") as file:
            file.write("x")
    sentence = files.explain(caught.value, "/var/none/there.json")
    assert "disk is full" in sentence and "/var/none/there.json" in sentence and "bytes are free" in sentence


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(files.Trouble, match="file/records cannot be used"):
        files.make_directory(str(tmp_path / "file" / "records"))


def test_fleet_json_of_two_fleets_lies_apart(tmp_path):
    one, two = FleetFiles(str(tmp_path), "one"), FleetFiles(str(tmp_path), "two")
    with one.locked():
        one.write_fleet(one.merged(empty_fleet("one")))
        one.write_lease({"run": "r"})
    assert one.fleet() == empty_fleet("one") and one.lease() == {"run": "r"}
    assert two.fleet() is None and two.lease() is None


def test_only_one_at_a_time_changes_fleet_json(tmp_path):
    held = FleetFiles(str(tmp_path), "one")
    code = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    words = [sys.executable, "-c", code, held.directory + "/lock"]
    with held.locked():
        assert subprocess.run(words, stderr=subprocess.PIPE).returncode != 0
    assert subprocess.run(words).returncode == 0


def test_files_are_canonical_json(store, record):
    store.write_record(record())
    with open(store.record_path("prod", "qwen3-0")) as file:
        text = file.read()
    assert text == json.dumps(record(), sort_keys=True, separators=(",", ":")) + "\n"
