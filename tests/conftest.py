"""Puts the collection on the path of every test: through the link that `make link` keeps in .collections."""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINK = os.path.join(ROOT, ".collections", "ansible_collections", "modelfleet", "serving")

if not os.path.islink(LINK):
    os.makedirs(os.path.dirname(LINK), exist_ok=True)
    os.symlink("../../..", LINK)
sys.path[:0] = [os.path.join(ROOT, ".collections"), os.path.join(ROOT, "router")]
