"""Entry point: `python3 -I deploy/native <arguments>`, which is what
manage_all.sh runs."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Running a folder puts the folder itself on the path, where our `redis` and
    # `postgres` modules would pass for others. Import the package by name instead.
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from deploy.native.cli import main

    sys.exit(main(sys.argv[1:]))
