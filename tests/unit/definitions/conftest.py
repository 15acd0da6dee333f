"""A directory of definitions that a test writes, and what reading it says."""

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.definitions.read import read_directory

HOSTS = ["gpu01", "gpu02"]
SECRETS = ["hub_token", "proxy"]


class Folder:
    def __init__(self, path):
        self.path = path

    def write(self, name, content):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def read(self):
        return read_directory(str(self.path), HOSTS, SECRETS)

    def sentences(self):
        return [problem.sentence().replace(str(self.path) + "/", "") for problem in self.read().problems]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "deployments"
    path.mkdir()
    return Folder(path)


@pytest.fixture
def definition(folder):
    """Sentences about one definition: a sound one plus the given lines, in the file d.yml."""

    def sentences(text, base="name: a\nsource: {path: /m.gguf}\n"):
        folder.write("d.yml", base + text)
        return folder.sentences()

    return sentences
