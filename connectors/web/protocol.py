"""The widget's WebSocket protocol: one JSON object a frame. Parsing is pure; unknown types are refused by
name.

From the widget::

    {"type":"hello","token"?:str,"lang"?:str,"after_seq"?:int}    first; a forged or expired token begins anew
    {"type":"say","id":str,"text":str,"lang"?:str}                ``id`` is the widget's, kept when it sends
    again {"type":"lang","lang":str}                                    the patient chose a language
    {"type":"ping","after_seq"?:int}                              answered by pong, and by lines the widget
    missed

From the server::

    {"type":"ready","token":str,"lang":str,"state":str,"fresh":bool,"history":[line]}
    {"type":"ack","id":str,"seq":int|null,"stored":bool}          the message is safe; do not send it again
    {"type":"typing","on":bool}                                   a turn runs
    {"type":"partial","reply_id":str,"text":str,"lang":str}       the checked text so far
    {"type":"reply","reply":{…},"seq"?:int}                       see connectors.wire.reply_to_json
    {"type":"lines","history":[line]}                             lines after ``after_seq``
    {"type":"state","state":"bot"|"waiting"|"staff"|"closed","name":str|null}
    {"type":"error","error":str,"field":str|null,"id":str|null,"retry_after"?:int}
    {"type":"pong"}

A line is ``{"seq","author","direction","text","at","id","reply"}`` (connectors.wire.shown_to_json); ``id``
of a line that the patient wrote is the widget's own. A client drops replies whose ``reply.id`` it has shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connectors.base import RequestError
from connectors.wire import clean_id, clean_lang, clean_text, json_object, parse_json

MAX_SEQ = 2**53 - 1
"""The largest integer that a browser counts exactly."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The widget opens; ``token`` is a claim that is still to be verified."""

    token: str | None
    lang: str | None
    after_seq: int


@dataclass(frozen=True, slots=True)
class Say:
    """The patient wrote something."""

    id: str
    text: str
    lang: str | None


@dataclass(frozen=True, slots=True)
class ChooseLanguage:
    """The patient switched the language."""

    lang: str


@dataclass(frozen=True, slots=True)
class Ping:
    """The widget is alive and knows everything up to ``after_seq``."""

    after_seq: int | None


Frame = Hello | Say | ChooseLanguage | Ping


def parse_frame(raw: str | bytes, languages: tuple[str, ...]) -> Frame:
    """One frame of the widget. Raises RequestError naming the field that is wrong."""
    data = json_object(
        parse_json(raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw), "frame"
    )
    kind = data.get("type")
    if kind == "hello":
        token = data.get("token")
        if token is not None and not isinstance(token, str):
            raise RequestError(422, "token must be text", "token")
        return Hello(token or None, clean_lang(data.get("lang"), "lang", languages), _seq(data) or 0)
    if kind == "say":
        return Say(
            clean_id(data.get("id"), "id"),
            clean_text(data.get("text"), "text"),
            clean_lang(data.get("lang"), "lang", languages),
        )
    if kind == "lang":
        lang = clean_lang(data.get("lang"), "lang", languages)
        if lang is None:
            raise RequestError(422, f"lang must be one of {', '.join(languages)}", "lang")
        return ChooseLanguage(lang)
    if kind == "ping":
        return Ping(_seq(data))
    raise RequestError(422, "type must be one of hello, say, lang, ping", "type")


def _seq(data: dict[str, Any]) -> int | None:
    value = data.get("after_seq")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEQ:
        raise RequestError(422, "after_seq must be a whole number of 0 or more", "after_seq")
    return value


def frame_id(raw: str | bytes) -> str | None:
    """The ``id`` of a frame that was refused, so that the widget knows which; None where there is none."""
    try:
        value = json_object(
            parse_json(raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw)
        ).get("id")
        return clean_id(value, "id")
    except RequestError:
        return None
