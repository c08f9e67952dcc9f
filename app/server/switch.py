"""The server of the window: on or off. Loads the server's libraries when it is first turned on."""

from typing import TYPE_CHECKING

from app.server import DEFAULT_PORT
from app.server.borrowed import BorrowedBackend, Lender
from app.server.key import find

if TYPE_CHECKING:
    from app.server.service import Service

_PATIENCE = 10.0


class Switch:
    """Attributes:
    address, key: what a client needs while it is on, else nothing.
    """

    def __init__(self, lender: Lender):
        self._lender = lender
        self._service: Service | None = None
        self.address = self.key = ""

    @property
    def is_on(self) -> bool:
        """Programs can ask."""
        return self._service is not None and self._service.is_running

    def turn_on(self, port: int = DEFAULT_PORT) -> None:
        """Serve the window's model on this computer.

        Raises:
            ServerError: the port cannot be used, or the key cannot be read.
        """
        from app.server.service import Service

        if self.is_on:
            return
        key, _ = find()
        self._service = Service(key, port=port)
        self._service.start(BorrowedBackend(self._lender))
        self.address, self.key = self._service.address, key

    def turn_off(self, wait: bool = True) -> None:
        """End what is being answered within a round, then the server."""
        service, self._service = self._service, None
        self.address = self.key = ""
        if service is not None:
            service.stop()
            if wait:
                service.join(_PATIENCE)
