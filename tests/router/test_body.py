# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the router reads of a body, and which bodies it refuses."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelfleet_router.body import read_call
from modelfleet_router.errors import ApiError


@pytest.mark.parametrize(
    "body,says",
    [
        (b"", "not valid JSON"),
        (b'{"model": "tiny"', "not valid JSON"),
        (b'{"model": "tiny"} x', "not valid JSON"),
        (b'["tiny"]', "must be a JSON object"),
        (b'"tiny"', "must be a JSON object"),
        (b'[{"model": "tiny"}]', "must be a JSON object"),
        (b'{"messages": []}', "must name a model"),
        (b'{"model": 7}', "must name a model"),
        (b'{"model": ""}', "must name a model"),
        (b'{"model": "tiny", "model": "other"}', "more than once"),
        (b'{"model": "tiny", "mod\\u0065l": "other"}', "more than once"),
        (b'{"model": "tiny", "stream": true, "stream": false}', "more than once"),
        (b'{"model": "tiny", "stream": "yes"}', "must be true or false"),
        (b'{"model": "tiny", "n": NaN}', "not a JSON number"),
        (b'{"model": "tiny", "n": -Infinity}', "not a JSON number"),
        (b'\xef\xbb\xbf{"model": "tiny"}', "not valid JSON"),
        ('{"model": "tiny"}'.encode("utf-16"), "not UTF-8"),
        (b'{"model": "t\xff"}', "not UTF-8"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_a_body_that_two_readers_may_understand_differently_is_refused(body, says):
    with pytest.raises(ApiError, match=says) as caught:
        read_call(body)
    assert caught.value.status == 400


def test_the_same_name_deeper_in_the_body_is_not_the_models():
    call = read_call(b'{"tools": [{"model": 1, "stream": 2}], "model": "a", "x": {"model": "b"}}')
    assert (call.model, call.stream) == ("a", False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text().filter(lambda k: k != "stream"), JSON, max_size=4), st.text(min_size=1), st.booleans())
def test_a_renamed_body_differs_in_the_model_only(fields, model, ascii_only):
    document = {**fields, "model": model}
    data = json.dumps(document, ensure_ascii=ascii_only).encode()
    call = read_call(data)
    assert call.data_for(model) is data
    assert json.loads(call.data_for(model + "!")) == {**document, "model": model + "!"}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    try:
        assert isinstance(read_call(data).model, str)
    except ApiError as error:
        assert error.status == 400
