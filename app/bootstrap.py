"""From the process's start to a window, and back: order of imports, event loop, orderly end."""

import asyncio
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

from app.bootstrap_display import NO_DISPLAY, has_display, qt_ends_in_a_sentence

MEMORY_EVERY = 1.0
# Seconds after which a thread that wants Python's lock gets it. The window gives it up at every call of Qt's: while the
# decoder reads a model's files, each of a hundred calls for a repaint would wait for the usual 5 ms.
SWITCH_INTERVAL = 0.0005


def run_window() -> int:
    """Open the window and stay until it is closed; returns the exit code."""
    if not has_display():
        print(NO_DISPLAY, file=sys.stderr)
        return 1
    if sys.platform == "win32":
        # torch's libraries cannot be loaded behind Qt's on Windows (WinError 1114).
        import torch  # noqa: F401
    sys.setswitchinterval(SWITCH_INTERVAL)
    # Chats, settings and logs are for their owner's eyes: new files are 0600, new folders 0700.
    os.umask(0o077)
    import qasync

    from app.diagnostics import hooks, log
    from app.diagnostics.runs import Run
    from app.models.places import data_dir
    from app.single_instance import NO_ANSWER, SingleInstance

    # Before anything of Qt's: a fault in its first steps is written down too.
    log.start_log()
    run = Run()
    run.begin()
    with qt_ends_in_a_sentence(run.end):
        application = make_application()
    hooks.catch_qt_messages()
    single = SingleInstance(data_dir())
    if not single.claim():
        run.end()
        hooks.let_qt_messages_go()
        if single.raise_other():
            return 0
        print(NO_ANSWER, file=sys.stderr)
        return 1
    try:
        qasync.run(live(application, run, single))
    except KeyboardInterrupt:
        run.end()
        return 130
    except BaseException as error:
        run.crash(error)
        raise
    finally:
        hooks.let_qt_messages_go()
        single.release()
    run.end()
    return 0


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


async def live(application, run, single) -> None:
    """The window's life: show it, start the decoder behind it, wait until both have ended."""
    from PySide6.QtCore import QSettings

    from app.chats.store import open_store
    from app.diagnostics import hooks
    from app.engine.link import EngineLink
    from app.gpu_torch import front
    from app.models.places import chats_path, data_dir
    from app.settings.file import settings_path
    from app.ui.chat import highlight
    from app.ui.diagnostics import Diagnostics
    from app.ui.language import speak
    from app.ui.settings.preferences import Preferences
    from app.ui.window import Window

    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(2, "waiting"))
    over = asyncio.Event()
    settings = QSettings(str(data_dir() / "window.ini"), QSettings.Format.IniFormat)
    preferences = Preferences(settings_path())
    speak(preferences.settings.appearance.language)
    window = Window(application, EngineLink(), settings, open_store(chats_path()), preferences)
    window.closed.connect(over.set)
    single.raise_wanted.connect(window.come_forward)
    application.commitDataRequest.connect(lambda manager: window.close())
    # A queued call: an error may come from any thread.
    hooks.catch_errors(window.unforeseen.emit, window.close)
    hooks.catch_task_errors(loop, window.unforeseen.emit)
    Diagnostics(window, run.before)
    window.show()
    if front.said:
        window.chat.notice.info(front.said)
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
    from app.gpu_advice import advice_here
    from app.gpu_torch import front
    from app.hardware import MemoryWatch

    watch = await asyncio.to_thread(MemoryWatch)
    advised = False
    try:
        while True:
            own = window.topbar.gauge.own_bytes
            reading = await asyncio.to_thread(watch.read, window.gpu_index, own)
            window.show_memory(reading)
            if window.link.info is not None and not advised:
                advised = True
                front.worked()
                if said := await asyncio.to_thread(advice_here, reading, window.link.info.device):
                    window.chat.notice.info(said)
            await asyncio.sleep(MEMORY_EVERY)
    finally:
        watch.close()
