"""Custom actions in this process: an EndpointConfig that runs rasa_sdk's executor instead of calling a server.

Rasa's processor logs an action's exception and goes on as if it had said nothing. A patient would then wait for
ever; so an exception is kept in the running turn's scope, from where the engine raises it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rasa.core.actions.action import RemoteAction
from rasa.shared.exceptions import RasaException
from rasa.utils.endpoints import EndpointConfig
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import Action

from bot.dialogue import scope as scopes


class ActionFault(Exception):
    """An action raised. Carries the action's name and the kind of error, never its message."""

    def __init__(self, action: str, kind: str) -> None:
        super().__init__(f"{action}: {kind}")
        self.action = action
        self.kind = kind


def check_result_cheaply() -> None:
    """Let Rasa check our actions' results by shape instead of by JSON schema.

    Rasa compiles and checks the same constant schema for every result: nine tenths of a turn's time, measured.
    Results here come out of this process and rasa_sdk's executor has validated their events already. Changes
    Rasa's class for the whole process, in which no other actions run.
    """
    RemoteAction._validate_action_result = _has_shape


def _has_shape(_action: RemoteAction, result: Any) -> bool:
    if not isinstance(result, dict) or not all(
        isinstance(result.get(k, []), list) for k in ("events", "responses")
    ):
        raise RasaException("an action gave back something else than events and responses")
    return True


class InProcessActions(EndpointConfig):
    """Runs the given actions when Rasa asks its "action server" for one."""

    def __init__(self, actions: Iterable[Action]) -> None:
        super().__init__(url="in-process", enable_selective_domain=True)
        self._executor = ActionExecutor()
        for action in actions:
            self._executor.register_function(action.name(), action.run)

    async def request(
        self,
        method: str = "post",
        subpath: str | None = None,
        content_type: str | None = "application/json",
        compress: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Run the action that the request names and give back its events and responses."""
        call = kwargs["json"]
        try:
            return await self._executor.run(call)
        except Exception as error:
            # Kept for the engine: Rasa would swallow it.
            scopes.current().fault = error
            raise ActionFault(str(call.get("next_action")), type(error).__name__) from error
