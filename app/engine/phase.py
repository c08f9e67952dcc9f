"""What the decoder's thread is doing."""


class Phase:
    """What the worker is doing, as the text that crosses the thread."""

    STARTING = "starting"
    FETCHING = "fetching"
    LOADING = "loading"
    MEASURING = "measuring"
    READY = "ready"
    READING = "reading"
    WRITING = "writing"
    COMPARING = "comparing"
    EMPTY = "empty"

    BUSY = (STARTING, FETCHING, LOADING, MEASURING, READING, WRITING, COMPARING)
    ANSWERING = (READING, WRITING)
