"""TriagePolicy: in every state, a message that triage has answered belongs to ``action_triage`` alone.

Reads only the metadata that the turn put on the message; decides nothing clinical. It must outrank a form's
own prediction, which Rasa's ensemble prefers to everything that is not itself a "no user" prediction; hence
``is_no_user_prediction=True``. The form stays active and takes the next message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasa.core.constants import POLICY_MAX_HISTORY, POLICY_PRIORITY
from rasa.core.policies.policy import Policy, PolicyPrediction
from rasa.engine.graph import ExecutionContext
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.core.constants import ACTION_LISTEN_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.generator import TrackerWithCachedStates
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.nlu.training_data.features import Features

ACTION_TRIAGE = "action_triage"
PRIORITY = 20
OWNED = frozenset({"emergency", "crisis", "discreet"})
"""Fixed replies after which nothing else is said to that message; after an urgent one the dialogue goes on."""


def triage_owns(metadata: Mapping[str, Any]) -> bool:
    """Whether this message is answered by triage and by nothing else: a fixed text was sent or is due.

    "My chest feels tight and my left arm is numb" in the middle of a booking: yes. "No chest pain": no.
    """
    return (
        bool(OWNED.intersection(metadata.get("already_said") or ())) or metadata.get("level") == "emergency"
    )


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.POLICY_WITHOUT_END_TO_END_SUPPORT, is_trainable=False)
class TriagePolicy(Policy):
    """Predicts ``action_triage`` for a message that triage owns, then listens. Abstains otherwise."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Above RulePolicy (6) and everything else Rasa ships."""
        return {POLICY_PRIORITY: PRIORITY, POLICY_MAX_HISTORY: None}

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> TriagePolicy:
        """A policy without state."""
        return cls(config, model_storage, resource, execution_context)

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> TriagePolicy:
        """The same; there is nothing to load."""
        return cls(config, model_storage, resource, execution_context)

    def train(
        self, training_trackers: list[TrackerWithCachedStates], domain: Domain, **kwargs: Any
    ) -> Resource:
        """Nothing is learned."""
        return self._resource

    def predict_action_probabilities(
        self,
        tracker: DialogueStateTracker,
        domain: Domain,
        rule_only_data: dict[str, Any] | None = None,
        precomputations: dict[str, list[Features]] | None = None,
        **kwargs: Any,
    ) -> PolicyPrediction:
        """All the weight on one action, or none at all."""
        wanted = _wanted(tracker)
        if wanted is None:
            return self._prediction(self._default_predictions(domain))
        probabilities = self._default_predictions(domain)
        probabilities[domain.index_for_action(wanted)] = 1.0
        return self._prediction(probabilities, is_no_user_prediction=True)


def _wanted(tracker: DialogueStateTracker) -> str | None:
    message = tracker.latest_message
    if message is None or not triage_owns(message.metadata or {}):
        return None
    if tracker.latest_action_name == ACTION_LISTEN_NAME:
        return ACTION_TRIAGE
    return ACTION_LISTEN_NAME if tracker.latest_action_name == ACTION_TRIAGE else None
