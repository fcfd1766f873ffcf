"""The web widget: one script tag, a WebSocket, and the demo page that shows it."""

from connectors.web.widget import WebConnector

__all__ = ["WebConnector"]
