#!/bin/sh
# Make a virtual environment with Python 3.11 at $1: from the machine's own, else through uv, else say how to get one.
set -eu
venv=$1
for python in python3.11 python3 python; do
  if command -v "$python" >/dev/null 2>&1 &&
     "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1; then
    echo "Making $venv with $("$python" --version) ..."
    exec "$python" -m venv "$venv"
  fi
done
if command -v uv >/dev/null 2>&1; then
  echo "No Python 3.11 here; uv brings one ..."
  exec uv venv --quiet --seed --python 3.11 "$venv"
fi
cat >&2 <<'TEXT'
Careline needs Python 3.11, and this machine has none.
  Debian 12:   sudo apt install python3.11 python3.11-venv
  Ubuntu:      sudo add-apt-repository ppa:deadsnakes/ppa && sudo apt install python3.11 python3.11-venv
  macOS:       brew install python@3.11
  anywhere:    install uv (its site says how), then run make again; it fetches Python 3.11 itself
TEXT
exit 1
