"""From the process's start to a window, and back: order of imports, log file, event loop, orderly end."""

import asyncio
import logging
import logging.handlers
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger(__name__)

NO_DISPLAY = (
    "There is no display to open a window on: start this on a desktop, or chat in the terminal with "
    '`./start.sh ask "your question"`.'
)
MEMORY_EVERY = 1.0


def run_window() -> int:
    """Open the window and stay until it is closed; returns the exit code."""
    if not has_display():
        print(NO_DISPLAY, file=sys.stderr)
        return 1
    if sys.platform == "win32":
        # torch's libraries cannot be loaded behind Qt's on Windows (WinError 1114).
        import torch  # noqa: F401
    # Without this the decoder may hold Python's lock for 5 ms at a time, and typing feels it.
    sys.setswitchinterval(0.002)
    start_log()

    import qasync

    from app.models.places import data_dir
    from app.single_instance import NO_ANSWER, SingleInstance

    application = make_application()
    single = SingleInstance(data_dir())
    if not single.claim():
        if single.raise_other():
            return 0
        print(NO_ANSWER, file=sys.stderr)
        return 1
    try:
        qasync.run(live(application, single))
    except KeyboardInterrupt:
        return 130
    finally:
        single.release()
    return 0


def has_display() -> bool:
    """Whether a window could be opened."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def make_application():
    """The one QApplication, with our style and icon."""
    from PySide6.QtGui import QIcon
    from PySide6.QtWidgets import QApplication

    from app.ui.resources import resource

    application = QApplication(sys.argv[:1])
    application.setApplicationName("s3d-chat")
    application.setApplicationDisplayName("S3D Chat")
    application.setDesktopFileName("s3d-chat")
    application.setStyle("Fusion")
    application.setWindowIcon(QIcon(str(resource("icons", "app.svg"))))
    # The decoder's thread outlives the window by a moment: `live` decides when all is over.
    application.setQuitOnLastWindowClosed(False)
    return application


async def live(application, single) -> None:
    """The window's life: show it, start the decoder behind it, wait until both have ended."""
    from PySide6.QtCore import QSettings

    from app.chats.store import open_store
    from app.engine.link import EngineLink
    from app.models.places import chats_path, data_dir
    from app.settings.file import settings_path
    from app.ui.chat import highlight
    from app.ui.settings.preferences import Preferences
    from app.ui.window import Window

    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(2, "waiting"))
    over = asyncio.Event()
    settings = QSettings(str(data_dir() / "window.ini"), QSettings.Format.IniFormat)
    preferences = Preferences(settings_path())
    window = Window(application, EngineLink(), settings, open_store(chats_path()), preferences)
    window.closed.connect(over.set)
    single.raise_wanted.connect(window.come_forward)
    application.commitDataRequest.connect(lambda manager: window.close())
    catch_the_unforeseen(window)
    window.show()
    window.link.start()
    beside = [asyncio.create_task(watch_memory(window)), asyncio.create_task(asyncio.to_thread(highlight.warm_up))]
    # Python runs this when it next runs anything in this thread: within a second, by the memory watch.
    signal.signal(signal.SIGTERM, lambda number, frame: window.close())
    try:
        await over.wait()
    except asyncio.CancelledError:
        # Ctrl-C in the terminal: asyncio cancels this task.
        window.close()
        await over.wait()
        raise
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        window.deleteLater()


async def watch_memory(window) -> None:
    """Look at the memory once a second. The driver may take long to answer, so it is asked in another thread."""
    from app.hardware import MemoryWatch

    watch = await asyncio.to_thread(MemoryWatch)
    try:
        while True:
            own = window.topbar.gauge.own_bytes
            window.show_memory(await asyncio.to_thread(watch.read, window.gpu_index, own))
            await asyncio.sleep(MEMORY_EVERY)
    finally:
        watch.close()


def start_log() -> None:
    """Warnings and worse go to a file in the user's data folder; where that cannot be written, to stderr."""
    from app.models.places import data_dir

    try:
        data_dir().mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.handlers.RotatingFileHandler(
            data_dir() / "s3d-chat.log", maxBytes=1_000_000, backupCount=1, encoding="utf-8", delay=True
        )
    except OSError:
        handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)


def catch_the_unforeseen(window) -> None:
    """Errors nobody caught are logged with their traceback, and said in the window in one sentence."""

    def on_error(kind, error, traceback) -> None:
        if issubclass(kind, KeyboardInterrupt):
            window.close()
            return
        log.error("unexpected error", exc_info=(kind, error, traceback))
        said = str(error).strip().splitlines()
        # A queued call: the error may come from any thread.
        window.unforeseen.emit(f"Something went wrong: {said[0] if said else kind.__name__}")

    sys.excepthook = on_error
    threading.excepthook = lambda given: on_error(given.exc_type, given.exc_value, given.exc_traceback)
