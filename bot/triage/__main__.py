"""``python -m bot.triage``: see :func:`bot.triage.commands.main`."""

from __future__ import annotations

import sys

from bot.triage.commands import main

sys.exit(main(sys.argv[1:]))
