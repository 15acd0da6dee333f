"""Real systemd hosts on this machine, for tests and for people: see tests/lab/README.md."""
