#!/bin/sh
# The one command line of the product; `./manage_all.sh help` lists what it does.
# This file only finds a Python that works. The rest is in deploy/local/.
set -eu

# If this is a symbolic link, use the checkout of the script that it leads to.
script=$0
while [ -L "$script" ]; do
    target=$(readlink "$script")
    case $target in
        /*) script=$target ;;
        *) script=$(dirname "$script")/$target ;;
    esac
done
# Relative file names on the command line start here.
MEMO_CALLER_DIR=${MEMO_CALLER_DIR:-$PWD}
export MEMO_CALLER_DIR
unset CDPATH # or `cd` may find another checkout
cd "$(dirname "$script")"

# A version manager's shim may exist and fail, so each candidate is run.
works() {
    "$1" -I -c 'import sys, ssl, ctypes; sys.exit(sys.version_info < (3, 11))' \
        >/dev/null 2>&1
}

for python in "${MEMO_PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 \
    /usr/bin/python3; do
    if [ -n "$python" ] && works "$python"; then
        exec "$python" -E -s -m deploy.local "$@"
    fi
done

echo "memo: Found no Python 3.11 or newer that runs." >&2
echo "  Debian, Ubuntu: apt install python3 python3-venv" >&2
echo "  Or name one: MEMO_PYTHON=/path/to/python3 ./manage_all.sh ..." >&2
echo "  Or use Docker: docs/operations/deployment.md." >&2
exit 3
