"""Exit status 0 when the service in this container is ready: the image's HEALTHCHECK.

Standard library only and quick to start, since it runs every few seconds.
"""

import http.client
import json
import os
import sys
from pathlib import Path

TIMEOUT = 5  # seconds


def main() -> int:
    service = Path.cwd().name.removesuffix("_project")
    try:
        status, answer = ask(f"/api/v1/{service}/health/ready")
    except (OSError, ValueError, http.client.HTTPException) as exc:
        sys.stderr.write(f"no answer: {exc}\n")
        return 1
    healthy = status == 200 and answer.get("service") == service
    # `docker inspect` shows this: `degraded` says that Redis is away.
    sys.stdout.write(f"{status} {json.dumps(answer)}\n")
    return 0 if healthy else 1


def ask(path: str) -> tuple[int, dict[str, object]]:
    """The answer of gunicorn, where it was told to listen."""
    port = int(os.environ.get("BIND", "127.0.0.1:8000").rpartition(":")[2])
    host = os.environ.get("INTERNAL_HOSTS", "localhost").partition(",")[0]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.request("GET", path, headers={"Host": host})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


if __name__ == "__main__":
    sys.exit(main())
