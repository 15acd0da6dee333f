# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of single fields that types cannot express. A refusal is the sentence without its subject, the key."""

from __future__ import annotations

import re

from .compat import AfterValidator, PydanticCustomError, ValidationError
from .problems import did_you_mean
from .sources.table import SOURCES

OWN_ERROR = "modelfleet"
_SEPARATED = re.compile(r"(--?[A-Za-z][^\s=]*) (\S+)")
_FLAG_AND_MORE = re.compile(r"(--?[A-Za-z][^\s=]*)\s+(.+)", re.DOTALL)


def refuse(predicate):
    """An error whose sentence is the key and ``predicate``."""
    return PydanticCustomError(OWN_ERROR, "{predicate}", {"predicate": predicate})


def show(value):
    """A value as people write it in YAML, on one line."""
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (key, show(item)) for key, item in value.items())
    if isinstance(value, list):
        return "[%s]" % ", ".join(show(item) for item in value)
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return '"%s"' % value if isinstance(value, str) else str(value)


def check_replicas(value, validate, _info):
    """One sentence instead of what each member of the union has to say."""
    try:
        return validate(value)
    except ValidationError:
        raise refuse("must be a number from 0 to 1000, {per_host: n} or {per_gpu: n} with n from 1 to 1000, not %s"
                     % show(value)) from None


def check_source(value, _validate, info):
    """Chooses the source by its key, so that only that one's errors are reported."""
    known = ", ".join(SOURCES)
    if not isinstance(value, dict):
        raise refuse("must be a mapping like {path: /srv/models/model.gguf}, not %s" % show(value))
    named = [key for key in value if key in SOURCES]
    if len(named) == 1:
        return SOURCES[named[0]].model_validate(value, context=info.context)
    if named:
        raise refuse("names several sources (%s), one is allowed" % ", ".join(named))
    if not value:
        raise refuse("is empty, it must name one of: %s" % known)
    first = next(iter(value))
    raise refuse("has the unknown key %s%s allowed: %s" % (first, did_you_mean(first, SOURCES) or ";", known))


def _check_parameter(text):
    """A word for the command line; ``--name value`` becomes ``--name=value``."""
    if not text.strip():
        raise refuse("is empty")
    if "\x00" in text:
        raise refuse("holds a NUL character")
    separated = _SEPARATED.fullmatch(text)
    if separated:
        return "%s=%s" % separated.groups()
    more = _FLAG_AND_MORE.fullmatch(text)
    if more:
        raise refuse("is ambiguous: is the value of %s one word? write '%s=%s'" % (more[1], more[1], more[2].strip()))
    return text


def _known_host(text, info):
    host = text.rpartition(":")[0]
    hosts = (info.context or {}).get("hosts")
    if hosts is not None and host not in hosts:
        raise refuse("names the unknown host %s%s (hosts are those of the group gpu_hosts)"
                     % (host, did_you_mean(host, hosts)))
    return text


def _known_secret(text, info):
    names = (info.context or {}).get("secrets")
    if names is not None and text not in names:
        raise refuse("names the unknown secret %s%s (secrets are the keys of modelfleet_secrets)"
                     % (text, did_you_mean(text, names)))
    return text


def _no_doubles(values):
    double = next((value for index, value in enumerate(values) if value in values[:index]), None)
    if double is not None:
        raise refuse("names %s twice" % double)
    return values


check_parameter = AfterValidator(_check_parameter)
known_host = AfterValidator(_known_host)
known_secret = AfterValidator(_known_secret)
no_doubles = AfterValidator(_no_doubles)
