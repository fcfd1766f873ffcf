"""Keeps patient text out of the logs: Rasa and its libraries write it at DEBUG, and sometimes in an exception.

Rasa logs through ``logging`` and through structlog; both are stopped at the source, at every level that can
carry a message of a patient. Faults are logged by ``engine.py`` instead, with codes only.
"""

from __future__ import annotations

import logging

import structlog

TALKATIVE = ("rasa", "rasa_sdk", "sanic", "matplotlib", "absl", "tensorflow", "apscheduler", "dask")


def silence_rasa() -> None:
    """Let nothing of these libraries reach a handler. Safe to call again; overrules an operator's DEBUG."""
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    for name, known in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[2] and name.split(".")[0] in TALKATIVE and isinstance(known, logging.Logger):
            known.setLevel(logging.NOTSET)  # children ask their parent, which is silent
    structlog.configure(
        processors=[_drop],
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _drop(_logger: object, _method: str, _event: object) -> str:
    raise structlog.DropEvent
