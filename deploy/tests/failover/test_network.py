"""Several hosts, whose network is cut: in namespaces of the kernel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.tests.failover.network import OWN_NETWORK
from deploy.tests.stack import ROOT, System

STACK = "network"


@pytest.mark.verify
def test_in_a_network_of_its_own(tmp_path: Path) -> None:
    """With a stack of its own, as that of the suite is in another network."""
    may = subprocess.run([*OWN_NETWORK, "ip", "link"], capture_output=True, check=False)
    if may.returncode:
        pytest.skip(f"NO NETWORK NAMESPACES: {may.stderr.decode()}")
    words = ["-q", "-s", "-c", "deploy/pytest.ini", f"--basetemp={tmp_path / 'tmp'}"]
    command = [*OWN_NETWORK, sys.executable, "-m", "pytest", *words]
    command.append("deploy/tests/failover/in_own_network.py")
    env = {**os.environ, "MEMO_STACK": STACK}
    try:
        assert subprocess.run(command, cwd=ROOT, env=env, check=False).returncode == 0
    finally:
        System(STACK).run("down")
