"""The generator of models that recite: the demo has a use for it too, so it lies there."""

from demo.recite import *  # noqa: F403
