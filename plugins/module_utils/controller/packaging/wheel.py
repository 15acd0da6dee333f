# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs a pure-Python package into a wheel, byte-identical for identical sources: no build backend, no network."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import zipfile

EPOCH = (2020, 1, 1, 0, 0, 0)
"""The time of every file in the wheel: wheels of the same sources must be the same bytes."""


def read_sources(project_dir, package):
    """{path in the wheel: bytes} of every file of ``package`` below ``project_dir``; compiled files are left out."""
    sources = {}
    for folder, subfolders, names in os.walk(os.path.join(project_dir, package)):
        subfolders[:] = sorted(name for name in subfolders if name != "__pycache__")
        for name in sorted(names):
            if not name.endswith((".pyc", ".pyo")):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    sources[os.path.relpath(path, project_dir).replace(os.sep, "/")] = file.read()
    return sources


def read_version(sources, package):
    """The ``__version__`` of the package. Raises ValueError when it has none."""
    match = re.search(rb'^__version__ = "([^"]+)"', sources.get(package + "/__init__.py", b""), re.MULTILINE)
    if not match:
        raise ValueError("%s/__init__.py has no line __version__ = \"...\"" % package)
    return match.group(1).decode()


def sources_digest(sources):
    """Hexadecimal SHA-256 over names and contents."""
    total = hashlib.sha256()
    for path in sorted(sources):
        total.update(("%s\0%d\0" % (path, len(sources[path]))).encode())
        total.update(sources[path])
    return total.hexdigest()


def write_wheel(target_dir, distribution, sources, version, requires_python, scripts):
    """Writes ``<distribution>-<version>-py3-none-any.whl`` into ``target_dir`` and returns its path.

    ``scripts``: {command: "package.module:function"}. The format is the one of the Binary Distribution Format specification (PEP 427).
    Dependencies are not named: whoever installs it brings them, locked by hash.
    """
    info = "%s-%s.dist-info" % (distribution, version)
    files = dict(sources)
    files[info + "/METADATA"] = (
        "Metadata-Version: 2.1\nName: %s\nVersion: %s\nRequires-Python: %s\n" % (distribution.replace("_", "-"), version, requires_python)
    ).encode()
    files[info + "/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: modelfleet\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[info + "/entry_points.txt"] = (
        "[console_scripts]\n" + "".join("%s = %s\n" % item for item in sorted(scripts.items()))
    ).encode()
    record = info + "/RECORD"
    files[record] = ("".join(_record_line(path, files[path]) for path in sorted(files)) + record + ",,\n").encode()
    path = os.path.join(target_dir, "%s-%s-py3-none-any.whl" % (distribution, version))
    partial = path + ".partial"
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, files[name])
    os.replace(partial, path)
    return path


def _record_line(path, content):
    checksum = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return "%s,sha256=%s,%d\n" % (path, checksum, len(content))
