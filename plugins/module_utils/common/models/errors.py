# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that reading a model raises."""

from __future__ import annotations


class ModelError(Exception):
    """``sentence`` says what is wrong with the file at ``path`` (None: the file that was asked for)."""

    def __init__(self, sentence, path=None):
        super().__init__(sentence)
        self.sentence = sentence
        self.path = path
