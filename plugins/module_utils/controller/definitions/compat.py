# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pydantic and PyYAML where they are installed, and stand-ins with which the other files can at least be imported.

Nothing of the stand-ins works: the module says which library is missing before it uses any of them.
"""

from __future__ import annotations

import traceback

MISSING = []  # (library, traceback of the import)

try:
    import pydantic
    from pydantic import BaseModel, ConfigDict, Field, ValidationError
    from pydantic.functional_validators import AfterValidator, WrapValidator
    from pydantic_core import PydanticCustomError

    if int(pydantic.VERSION.split(".")[0]) < 2:
        raise ImportError("pydantic %s is too old, 2 or newer is needed" % pydantic.VERSION)
except ImportError:
    MISSING.append(("pydantic>=2", traceback.format_exc()))
    BaseModel = object
    ValidationError = PydanticCustomError = ValueError

    def _inert(*_arguments, **_options):
        """Stands for the functions that describe fields."""

    ConfigDict = Field = AfterValidator = WrapValidator = _inert

try:
    import yaml
    from yaml import SafeLoader
except ImportError:
    MISSING.append(("PyYAML", traceback.format_exc()))
    yaml = None
    SafeLoader = object

__all__ = [
    "MISSING", "AfterValidator", "BaseModel", "ConfigDict", "Field", "PydanticCustomError", "SafeLoader",
    "ValidationError", "WrapValidator", "yaml",
]
