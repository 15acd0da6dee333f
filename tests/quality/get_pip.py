"""Stands in for get-pip.py: installs pip from the package index with the pip that this interpreter can get."""

import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory() as folder:
    arguments = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
    # The wheel of pip runs by itself from its path; it only has to be fetched by some pip first.
    import ensurepip
    import glob
    import os

    bundled = glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl"))[0]
    sys.exit(subprocess.call([sys.executable, bundled + "/pip", "install", *(arguments or ["pip"])]))
