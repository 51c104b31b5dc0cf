"""Runs the Node SDK's tests (node/*.test.mjs) against the same proxy."""

import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).parent


def test_node(proxy, names):
    environment = {
        **os.environ,
        "NEARWAY_URL": proxy.url,
        "NEARWAY_REGIONS": ",".join(names),
    }
    files = sorted(str(file) for file in HERE.glob("node/*.test.mjs"))
    assert files
    done = subprocess.run(
        ["node", "--test", *files],
        cwd=HERE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
