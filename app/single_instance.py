"""One window for each data folder: a second start brings the first one's window to the front."""

import hashlib
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

PATIENCE_MS = 3000
NO_ANSWER = "S3D Chat is already running, but does not answer: end it, then start again."


class SingleInstance(QObject):
    """The claim to be the one program on a data folder. It ends with the process, however that ends.

    Signals:
        raise_wanted: another start asked for the window.
    """

    raise_wanted = Signal()

    def __init__(self, folder: Path, parent: QObject | None = None):
        super().__init__(parent)
        digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
        self._name = f"s3d-chat-{digest}"
        self._lock = QLockFile(str(folder / "window.lock"))
        # Only a process that is gone loses its claim, not one that has run for long.
        self._lock.setStaleLockTime(0)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_connection)

    def claim(self) -> bool:
        """Become the one; False where another process is. A folder that cannot be written to has no other user."""
        if not self._lock.tryLock(0) and self._lock.error() == QLockFile.LockError.LockFailedError:
            return False
        QLocalServer.removeServer(self._name)  # a killed process leaves its socket behind
        self._server.listen(self._name)
        return True

    def raise_other(self) -> bool:
        """Ask the one for its window; returns whether it answered."""
        socket = QLocalSocket()
        socket.connectToServer(self._name)
        if not socket.waitForConnected(PATIENCE_MS):
            return False
        return socket.waitForReadyRead(PATIENCE_MS)

    def release(self) -> None:
        """Give the claim up."""
        self._server.close()
        self._lock.unlock()

    def _on_connection(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.disconnected.connect(socket.deleteLater)
            socket.write(b"raised")
            socket.flush()
            self.raise_wanted.emit()
