"""Batches made ahead of the model by a thread."""

from __future__ import annotations

import contextlib
import queue
import threading
import weakref

from elmo.text.batches import Batch, Position, Streams

_READ_AHEAD = 8  # batches that are ready before they are asked for
_POLL_SECONDS = 0.2  # between two looks at whether they are still wanted

_Ready = queue.Queue[tuple[Batch | BaseException | None, Position]]  # None ends a pass, an exception breaks it off


class ReadAhead:
    """Batches made by a thread of their own while the model computes; `position` is that of the last one returned.

    Close it when no more batches are wanted: an iterator that is forgotten ends its thread too, but later.
    """

    def __init__(self, streams: Streams, depth: int = _READ_AHEAD) -> None:
        self.position = streams.position
        self._ready: _Ready = queue.Queue(depth)
        self._stopped = threading.Event()
        # The thread knows nothing of this object, which could otherwise never be forgotten.
        arguments = (streams, self._ready, self._stopped)
        self._thread = threading.Thread(target=_read_ahead, args=arguments, daemon=True, name="elmo-read-ahead")
        weakref.finalize(self, self._stopped.set)
        self._thread.start()

    def __iter__(self) -> ReadAhead:
        return self

    def __next__(self) -> Batch:
        if self._stopped.is_set():
            raise StopIteration
        batch, position = self._ready.get()
        if batch is None or isinstance(batch, BaseException):
            self.close()
            if batch is None:
                raise StopIteration
            raise batch
        self.position = position
        return batch

    def close(self) -> None:
        """End the thread, once it has made the batch that it is at; may be called again."""
        self._stopped.set()
        with contextlib.suppress(queue.Empty):  # room for that batch, so that the thread does not wait for any
            while True:
                self._ready.get_nowait()
        self._thread.join()


def _read_ahead(streams: Streams, ready: _Ready, stopped: threading.Event) -> None:
    def put(item: Batch | BaseException | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put((item, streams.position), timeout=_POLL_SECONDS)
                return

    try:
        for batch in streams:
            put(batch)
            if stopped.is_set():
                return
        put(None)
    except BaseException as error:  # handed to the thread that asks for batches
        put(error)
