"""What the widget and the demo page are made of, put together once from the files beside this module. Pure.

The script is hand-written in a few files that are joined in order; the clinic's emergency numbers, the
alarm words and every sentence of the interface are written into it, so that it can show the emergency card
with no server.
"""

from __future__ import annotations

import hashlib
import html
import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.clinic import WEEKDAYS, Clinic

HERE = Path(__file__).parent
SCRIPT_PARTS = ("config.js", "emergency.js", "transport.js", "store.js", "view.js", "main.js")
DEFAULT_EXIT_URL = "https://www.wikipedia.org/"
"""Where the discreet quick exit goes: a page that gives nothing away. The clinic may choose another."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as served. ``etag`` is a strong validator over the bytes."""

    body: bytes
    content_type: str
    etag: str


class InterfaceTexts:
    """The sentences of the widget and the demo page: ``ui/<lang>.json``, the same keys in every language."""

    def __init__(self, languages: tuple[str, ...], directory: Path = HERE / "ui") -> None:
        self.by_lang: dict[str, dict[str, Any]] = {}
        for lang in languages:
            path = directory / f"{lang}.json"
            if path.is_file():
                self.by_lang[lang] = json.loads(path.read_text(encoding="utf-8"))
        if not self.by_lang:
            raise ValueError(f"no interface texts for any of {', '.join(languages)} in {directory}")

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that the interface speaks, in the clinic's order."""
        return tuple(self.by_lang)


def asset(body: str, content_type: str) -> Asset:
    """A text as an asset."""
    raw = body.encode()
    return Asset(raw, content_type, f'"{hashlib.sha256(raw).hexdigest()[:32]}"')


def alarm_words(directory: Path = HERE / "ui") -> dict[str, list[str]]:
    """``{"emergency": […], "crisis": […]}`` of all languages together (``ui/alarm_words.json``).

    By these the widget, left alone, recognises a likely emergency or a person in crisis.
    """
    data = json.loads((directory / "alarm_words.json").read_text(encoding="utf-8"))
    languages = data["words"].values()
    return {kind: [word for words in languages for word in words[kind]] for kind in ("emergency", "crisis")}


def widget_config(clinic: Clinic, texts: InterfaceTexts, exit_url: str = DEFAULT_EXIT_URL) -> dict[str, Any]:
    """What the script is told about the clinic; nothing secret, it is public."""
    numbers = clinic.numbers
    names = numbers.crisis_name or {}
    return {
        "clinic": {lang: clinic.local(clinic.name, lang) for lang in texts.languages},
        "phone": clinic.phone,
        "numbers": {
            "emergency": numbers.emergency,
            "ambulance": numbers.ambulance,
            "crisis": numbers.crisis_line,
            "crisis_name": {lang: clinic.local(names, lang) for lang in texts.languages} if names else None,
            "nonurgent": numbers.nonurgent,
        },
        "languages": list(texts.languages),
        "texts": texts.by_lang,
        "alarm": alarm_words(),
        "exit_url": exit_url,
    }


def widget_script(config: Mapping[str, Any]) -> Asset:
    """``/widget.js``: one function expression around all parts, with the configuration and the style
    inside."""
    style = (HERE / "static" / "widget.css").read_text(encoding="utf-8")
    parts = [(HERE / "static" / name).read_text(encoding="utf-8") for name in SCRIPT_PARTS]
    body = "\n".join(
        (
            "(() => {",
            '"use strict";',
            f"const CONFIG = {_script_json(config)};",
            f"const STYLE = {_script_json(style)};",
            *parts,
            "})();",
        )
    )
    return asset(body, "text/javascript")


def _script_json(value: object) -> str:
    """JSON that is also safe inside a script: no ``</script`` and no line separators."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def demo_page(clinic: Clinic, texts: InterfaceTexts, lang: str) -> Asset:
    """The demo clinic's page in one language."""
    words = {f"t_{key}": value for key, value in texts.by_lang[lang]["page"].items()}
    numbers = clinic.numbers
    fields = words | {
        "lang": {"zh": "zh-Hans"}.get(lang, lang),
        "clinic": clinic.local(clinic.name, lang),
        "address": clinic.local(clinic.address, lang),
        "phone": clinic.phone,
        "emergency": numbers.emergency,
    }
    page = string.Template((HERE / "static" / "demo.html").read_text(encoding="utf-8"))
    filled = page.substitute(
        {key: html.escape(str(value)) for key, value in fields.items()}
        | {
            "hours": _hours(clinic, texts, lang),
            "switch": _switch(texts, lang),
            "people": _people(clinic, lang),
        }
    )
    return asset(filled, "text/html")


def _hours(clinic: Clinic, texts: InterfaceTexts, lang: str) -> str:
    days = texts.by_lang[lang]["page_days"]
    closed = texts.by_lang[lang]["page"]["closed"]
    rows = []
    for key, name in zip(WEEKDAYS, days, strict=True):
        periods = clinic.opening_hours.get(key, ())  # type: ignore[call-overload]
        text = ", ".join(f"{p.start:%H:%M} – {p.end:%H:%M}" for p in periods) or closed
        rows.append(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd></div>")
    return "".join(rows)


def _switch(texts: InterfaceTexts, lang: str) -> str:
    links = []
    for code in texts.languages:
        name = html.escape(texts.by_lang[code]["language_name"])
        current = ' aria-current="true"' if code == lang else ""
        attributes = f'href="/?lang={code}" hreflang="{code}" lang="{code}" data-careline-lang="{code}"'
        links.append(f"<a {attributes}{current}>{name}</a>")
    return "".join(links)


def _people(clinic: Clinic, lang: str) -> str:
    cards = []
    for person in clinic.clinicians:
        name = clinic.local(person.name, lang)
        places = [d for d in (clinic.department(i) for i in person.departments) if d is not None]
        where = ("、" if lang == "zh" else ", ").join(clinic.local(d.name, lang) for d in places)
        initials = "".join(part[0] for part in name.replace("Dr ", "").split()[:2])
        cards.append(
            f'<li><span class="face" aria-hidden="true">{html.escape(initials)}</span>'
            f"<span><strong>{html.escape(name)}</strong><small>{html.escape(where)}</small></span></li>"
        )
    return "".join(cards)
