"""A missing or empty directory is an error, but for a run that removes everything on purpose."""

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.definitions.read import read_directory


@pytest.mark.parametrize("name", ["", "missing"])
def test_nothing_there(tmp_path, name):
    directory = str(tmp_path / name)
    assert len(read_directory(directory, [], []).problems) == 1
    allowed = read_directory(directory, [], [], allow_empty=True)
    assert (allowed.deployments, allowed.problems) == ([], [])


def test_a_broken_file_is_still_an_error(tmp_path):
    (tmp_path / "x.yml").write_text("name: [")
    assert read_directory(str(tmp_path), [], [], allow_empty=True).problems
