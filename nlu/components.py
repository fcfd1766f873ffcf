"""Rasa graph components over our own understanding: classifier, findings-aware routing, fallback.

No TensorFlow model is in here. The findings of a message arrive as metadata (the turn has already extracted
them); these components read them and never extract anything themselves.
"""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import INTENT, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from nlu.classifier import IntentModel, Ranked
from nlu.routing import FALLBACK, THRESHOLD, route, wordless

KNOWN = "careline_known_share"
RANKING_LENGTH = 5
"""Intents kept in the ranking; longer ones only make stored events larger."""


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class CarelineIntentClassifier(IntentClassifier, GraphComponent):
    """Our :class:`IntentModel` as a Rasa intent classifier."""

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> CarelineIntentClassifier:
        """An untrained component."""
        return cls(config, model_storage, resource)

    def __init__(
        self,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        model: IntentModel | None = None,
    ) -> None:
        self._config = {**self.get_default_config(), **config}
        self._storage = model_storage
        self._resource = resource
        self.model = model

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """``c``: inverse strength of regularisation."""
        return {"c": 1.0}

    def train(self, training_data: TrainingData) -> Resource:
        """Fit on every example that has a text and an intent, and store the model."""
        pairs = [(m.get(TEXT), m.get(INTENT)) for m in training_data.intent_examples if m.get(TEXT)]
        if pairs:
            self.model = IntentModel.fit([t for t, _ in pairs], [i for _, i in pairs], c=self._config["c"])
            with self._storage.write_to(self._resource) as directory:
                self.model.save(directory)
        return self._resource

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> CarelineIntentClassifier:
        """The trained component; a model without one is refused, not replaced by an empty classifier."""
        with model_storage.read_from(resource) as directory:
            return cls(config, model_storage, resource, IntentModel.load(directory))

    def process(self, messages: list[Message]) -> list[Message]:
        """Set ``intent`` and ``intent_ranking`` of each message."""
        for message in messages:
            text = message.get(TEXT) or ""
            if self.model is None or wordless(text):
                _set(message, [Ranked(FALLBACK, 1.0)])
            else:
                _set(message, self.model.rank([text])[0])
                message.set(KNOWN, self.model.known_share(text))
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Later components need no predictions on the training data."""
        return training_data

    @classmethod
    def validate_config(cls, config: dict[str, Any]) -> None:
        """Nothing to check beyond what scikit-learn refuses itself."""


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class CarelineIntentRouter(GraphComponent):
    """Corrects the intent by the findings of the message, and falls back when nothing is sure enough."""

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> CarelineIntentRouter:
        """A component without state."""
        return cls(config)

    def __init__(self, config: dict[str, Any]) -> None:
        self._threshold = float({**self.get_default_config(), **config}["threshold"])

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """``threshold``: calibrated confidence below which a message is not understood."""
        return {"threshold": THRESHOLD}

    def process(self, messages: list[Message]) -> list[Message]:
        """Apply :func:`nlu.routing.route` to each message."""
        for message in messages:
            ranking = [Ranked(r["name"], r["confidence"]) for r in message.get("intent_ranking") or ()]
            if ranking:
                metadata = message.get("metadata") or {}
                _set(
                    message,
                    route(ranking, metadata.get("findings") or (), self._threshold, message.get(KNOWN, 1.0)),
                )
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Training data keeps its labels."""
        return training_data


def _set(message: Message, ranking: list[Ranked]) -> None:
    rows = [{"name": r.intent, "confidence": r.confidence} for r in ranking[:RANKING_LENGTH]]
    message.set("intent", rows[0], add_to_output=True)
    message.set("intent_ranking", rows, add_to_output=True)
