"""Rasa's MessageProcessor with a model loaded through us: a verified archive, and a runner that plans once.

Rasa's dask runner builds and sorts its graph anew for every prediction, several times a message. The graph of a
loaded model never changes, so :class:`PlannedRunner` sorts it once per target and then only calls the nodes.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rasa.core.nlg.generator import NaturalLanguageGenerator
from rasa.core.processor import MessageProcessor
from rasa.core.tracker_store import TrackerStore
from rasa.engine import loader
from rasa.engine.graph import ExecutionContext, GraphNode, GraphNodeHook, GraphSchema
from rasa.engine.runner.interface import GraphRunner
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.storage import ModelMetadata, ModelStorage

from bot.dialogue.inprocess import InProcessActions
from bot.dialogue.passthrough import PassThroughLockStore


class PlannedRunner(GraphRunner):
    """Runs the nodes of a graph in an order that is worked out once per set of targets."""

    def __init__(self, schema: GraphSchema, nodes: dict[str, GraphNode]) -> None:
        self._schema = schema
        self._nodes = nodes
        self._plans: dict[tuple[str, ...], tuple[str, ...]] = {}

    @classmethod
    def create(
        cls,
        graph_schema: GraphSchema,
        model_storage: ModelStorage,
        execution_context: ExecutionContext,
        hooks: list[GraphNodeHook] | None = None,
    ) -> PlannedRunner:
        """Instantiate every node once."""
        nodes = {
            name: GraphNode.from_schema_node(name, node, model_storage, execution_context, hooks)
            for name, node in graph_schema.nodes.items()
        }
        return cls(graph_schema, nodes)

    def run(self, inputs: dict[str, Any] | None = None, targets: list[str] | None = None) -> dict[str, Any]:
        """Values of the targets, given the inputs (placeholders by name)."""
        wanted = tuple(targets if targets else self._schema.target_names)
        plan = self._plans.get(wanted)
        if plan is None:
            plan = self._plans.setdefault(wanted, self._order(wanted))
        results: dict[str, Any] = {name: (name, value) for name, value in (inputs or {}).items()}
        for name in plan:
            if name not in results:
                needs = self._schema.nodes[name].needs.values()
                results[name] = self._nodes[name](*(results[need] for need in needs))
        return dict(results[name] for name in wanted)

    def _order(self, targets: Sequence[str]) -> tuple[str, ...]:
        order: list[str] = []

        def visit(name: str) -> None:
            if name in order or name not in self._schema.nodes:
                return
            for need in self._schema.nodes[name].needs.values():
                visit(need)
            order.append(name)

        for target in targets:
            visit(target)
        return tuple(order)


class CarelineProcessor(MessageProcessor):
    """The processor of a verified model archive, with our actions and our tracker store."""

    @classmethod
    def load(cls, model: Path, store: TrackerStore, actions: InProcessActions) -> CarelineProcessor:
        """Load an archive whose hash :func:`bot.dialogue.model.verify_model` has confirmed."""
        processor = cls(
            model_path=str(model),
            tracker_store=store,
            lock_store=PassThroughLockStore(),
            generator=NaturalLanguageGenerator.create(None, None),
            action_endpoint=actions,
        )
        store.domain = processor.domain
        return processor

    @staticmethod
    def _load_model(model_path: str | Path) -> tuple[str, ModelMetadata, GraphRunner]:
        with tempfile.TemporaryDirectory(prefix="careline-model-") as directory:
            metadata, runner = loader.load_predict_graph_runner(
                Path(directory), Path(model_path), LocalModelStorage, PlannedRunner
            )
        return Path(model_path).name, metadata, runner

    def with_store(self, store: TrackerStore) -> CarelineProcessor:
        """The same loaded model over another tracker store."""
        other = copy.copy(self)
        other.tracker_store = store
        return other
