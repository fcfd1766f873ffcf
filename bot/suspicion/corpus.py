"""What the second reader is trained on: our own sentences alone, each with its danger and its family.

Five kinds: messages written blind for training (by which the working point is chosen), the open half of the evaluation,
sentences collected from the twin tests of the rules, utterances of the intents, and questions made of the articles'
titles. The unseen halves of evaluation and intents are never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bot.triage.assess import Assessment
from bot.triage.commands import answer
from bot.triage.engine import TriageEngine, default_engine
from bot.triage.evaluate import Labelled, load_labelled
from bot.triage.level import Level
from bot.triage.suspicion import hints
from generation.passages import load_articles
from nlu.examples import training
from nlu.findings.lexicon import LexiconError, read_yaml
from nlu.suspicion.families import Families, Family, load_families
from nlu.suspicion.fit import Example
from nlu.suspicion.model import Asked

LANGUAGES = ("en", "zh")
SENTENCES = Path(__file__).parent / "sentences"
DANGERS: Mapping[str, int] = {"none": 0, "urgent": 1, "emergency": 2}
SYMPTOM_INTENTS = frozenset({"report_symptom", "distress"})
"""Utterances in which the rules' own reading is the label: they tell of complaints."""
MAYBE_INTENTS = frozenset(
    ["ask_medicine", "ask_side_effect", "ask_self_care", "ask_health", "ask_vaccination", "request_refill", "stop",
     "complain"]
)  # fmt: skip
"""Utterances that can hold a danger by the way: where the rules hear one, nothing is learned from them."""
EVERY_UTTERANCE = 3
"""Of the harmless utterances every third is read: more of them slow training and dull the ear (docs/LOG.md)."""
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "en": ("what is {title}?", "how is {title} treated?", "what are the signs of {title}?"),
    "zh": ("{title}是怎么回事？", "{title}怎么治疗？", "{title}有哪些表现？"),
}
"""Questions for information, which are no emergency whatever they name."""


class Annotator:
    """Lets the rule layer read a message and turns the outcome into what the model is asked."""

    def __init__(self, engine: TriageEngine, families: Families) -> None:
        self._engine, self._families = engine, families
        self._file_of = {rule.id: rule.file for rule in engine.ruleset.rules}
        self._concepts = families.of_concepts()

    def read(self, request: Mapping[str, Any]) -> Assessment:
        """One request as ``careline triage`` takes it."""
        return answer(self._engine, request)[0]

    def asked(self, text: str, assessment: Assessment) -> Asked:
        """The message with its hints and the families that the lexicon cancelled."""
        cancelled = {self._concepts[c.id] for c in assessment.considered if c.id in self._concepts}
        return Asked(text, assessment.lang, hints(assessment), frozenset(cancelled))

    def family(self, assessment: Assessment, wanted: str | None = None) -> Family | None:
        """The family of the gravest new rules; that of the rule ``wanted`` where it is among them."""
        top = [hit.id for hit in assessment.hits if hit.new and hit.level is assessment.level]
        chosen = wanted if wanted in top else top[0] if top else None
        return None if chosen is None else self._families.of(chosen, self._file_of[chosen])


def examples(every: int = 1) -> list[Example]:
    """Every example (or every n-th of each kind, for a quick small model), in a fixed order."""
    annotator = Annotator(default_engine(), load_families())
    kinds = (_judged, _sentences, _utterances, _questions)
    return [example for kind in kinds for example in kind(annotator, every)]


def sources() -> list[Path]:
    """Every file that examples come from, for the hash of what a model was made of."""
    from bot.triage.evaluate import EVALUATION_DIR
    from generation.passages import KNOWLEDGE_DIR
    from nlu.examples import DATA

    found = [*SENTENCES.glob("*.yml"), *(EVALUATION_DIR / "open").glob("*.yml"),
             *(EVALUATION_DIR / "training").glob("*.yml")]  # fmt: skip
    for lang in LANGUAGES:
        found += [*(DATA / lang).glob("*.yml"), *(KNOWLEDGE_DIR / lang).glob("*.md")]
    return sorted(found)


def judged(case: Labelled, annotator: Annotator, *, strange: bool) -> Example | None:
    """One labelled message; None where the label leaves open whether it is a danger. ``strange``: nobody has mended
    the rules by it."""
    if case.level < Level.URGENT and not case.must_not_escalate:
        return None
    assessment = annotator.read(case.request)
    danger = max(0, case.level - Level.ROUTINE)
    family = annotator.family(assessment) if danger and assessment.level >= Level.URGENT else None
    return Example(
        annotator.asked(case.text, assessment),
        danger,
        family,
        judged=True,
        quiet=case.must_not_escalate,
        escalated=assessment.level >= Level.URGENT,
        strange=strange,
    )


def _judged(annotator: Annotator, every: int) -> Iterator[Example]:
    for half in ("open", "training"):
        for case in load_labelled(half)[::every]:
            example = judged(case, annotator, strange=half == "training")
            if example is not None:
                yield example


def _sentences(annotator: Annotator, every: int) -> Iterator[Example]:
    for lang in LANGUAGES:
        groups = load_sentences(SENTENCES / f"{lang}.yml")
        told = [(text, group) for group in groups for text in group["sentences"]]
        for text, group in told[::every]:
            assessment = annotator.read({"id": 0, "text": text, "lang": lang})
            family = None if group["family"] is None else Family(group["family"])
            yield Example(annotator.asked(text, assessment), DANGERS[group["danger"]], family)


def _utterances(annotator: Annotator, every: int) -> Iterator[Example]:
    """Utterances of the intents. Of complaints the rules' reading is the label; all others are harmless, and
    where the rules disagree about one that may hold a danger, it is left out."""
    for lang in LANGUAGES:
        read = [
            u for n, u in enumerate(training(lang)) if u.intent in SYMPTOM_INTENTS or not n % EVERY_UTTERANCE
        ]
        for utterance in read[::every]:
            tells = utterance.intent in SYMPTOM_INTENTS
            assessment = annotator.read({"id": 0, "text": utterance.text, "lang": lang})
            heard = max(0, assessment.level - Level.ROUTINE)
            if heard and utterance.intent in MAYBE_INTENTS:
                continue
            family = annotator.family(assessment) if tells and heard else None
            yield Example(annotator.asked(utterance.text, assessment), heard if tells else 0, family)


def _questions(annotator: Annotator, every: int) -> Iterator[Example]:
    """One question of each article, the kinds in turn."""
    for n, article in list(enumerate(load_articles()))[::every]:
        templates = QUESTIONS.get(article.lang)
        if templates:
            text = templates[n % len(templates)].format(title=article.title.lower())
            yield Example(
                annotator.asked(text, annotator.read({"id": 0, "text": text, "lang": article.lang})), 0
            )


def load_sentences(path: Path) -> list[dict[str, Any]]:
    """One language's collected sentences. Raises :class:`nlu.findings.LexiconError` naming file and group."""
    groups = read_yaml(path)
    if not isinstance(groups, list):
        raise LexiconError(f"{path}: expected a list of groups")
    for n, group in enumerate(groups):
        if not isinstance(group, dict) or set(group) != {"family", "danger", "sentences"}:
            raise LexiconError(f"{path}: group {n}: expected family, danger, sentences")
        if group["danger"] not in DANGERS or (group["danger"] == "none" and group["family"] is not None):
            raise LexiconError(f"{path}: group {n}: danger and family do not fit")
        if group["family"] not in (None, *Family) or not group["sentences"]:
            raise LexiconError(f"{path}: group {n}: unknown family, or no sentences")
        if not all(isinstance(text, str) for text in group["sentences"]):
            raise LexiconError(f"{path}: group {n}: a sentence is not text")
    return groups
