"""Sizes as people write them."""

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.common.sizes import parse_size


@pytest.mark.parametrize(
    "text, expected",
    [("24GiB", 24 * 2**30), ("512 MiB", 512 * 2**20), ("80GB", 80 * 10**9), ("1.5 GiB", 3 * 2**29), (4096, 4096), ("0", 0), (" 7 kib ", 7 * 2**10)],
)
def test_sizes(text, expected):
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["24 gigs", "", "-1GiB", "GiB", "1,5GiB", True, None, "1e9"])
def test_what_is_no_size_is_named(text):
    with pytest.raises(ValueError, match="as in 24GiB"):
        parse_size(text)
