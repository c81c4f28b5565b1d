"""Reading the node's own files, once a tick, after all targets."""

import os
from dataclasses import dataclass

from podtick.history.writer import HistoryWriter
from podtick.model.metrics.row import UNKNOWN
from podtick.sources.proc.network import read_paged
from podtick.sources.proc.node import READ_BYTES, NodePlan, compile_node_plan

DETAILS = {"diskstats": 0, "net/dev": 1}
"""Files whose text is kept with the newest tick, and where."""


@dataclass(slots=True)
class NodeFile:
    """One open file below /proc and the text of its last reading."""

    plan: NodePlan
    fd: int
    last: bytes = b""


class Node:
    """The node's files. One that is absent, or that the kernel refuses, is asked for once and unknown from then on."""

    def __init__(self, proc: str, writer: HistoryWriter) -> None:
        self._writer = writer
        self.files: list[NodeFile] = []
        for plan in compile_node_plan():
            # below /proc the network is the reader's own; PID 1's is the host's, also from inside a container
            path = f"{proc}/1/{plan.file}" if plan.file == "net/dev" else f"{proc}/{plan.file}"
            try:
                self.files.append(NodeFile(plan, os.open(path, os.O_RDONLY | os.O_CLOEXEC)))
            except OSError:
                continue

    def read(self, file: NodeFile, words: memoryview, plane: int) -> None:
        """Read one file into the node's row at byte `plane`; what fails is unknown. Raises nothing."""
        try:
            data = read_paged(file.fd, READ_BYTES)
            values = file.plan.parse(data) if data != file.last else None
        except OSError:
            data, values = b"", {}
        file.last = data
        detail = DETAILS.get(file.plan.file)
        if detail is not None:
            self._writer.details(detail, data)
        if values is not None:
            for column, key in file.plan.columns:
                words[plane // 8 + column] = values.get(key, UNKNOWN)

    def close(self) -> None:
        """Close all files."""
        for file in self.files:
            os.close(file.fd)
        self.files.clear()
