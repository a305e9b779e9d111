"""The ONNX session: one thread inside, many threads outside."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from worker.core.errors import Fatal
from worker.core.types import Window
from worker.model.feed import INPUTS, feed
from worker.model.manifest import Layout

OUTPUT = "logits"


class Session:
    """A graph ready to run. Thread-safe: scoring threads share it, each call runs on the thread that makes it.

    One thread per call and one call per CPU is 1.4-2.3 times faster than one call on all CPUs, because a
    micro-batch is too small to split.
    """

    def __init__(self, model: Path, layout: Layout, labels: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.enable_mem_pattern = False  # a plan is kept for every shape ever seen: memory without bound
        options.enable_cpu_mem_arena = False  # keeps its largest batch for ever: 438 MB of RSS against 223, no faster
        options.log_severity_level = 3
        try:
            # The fused kernel is slower than what it replaces: 1,120 against 1,438 posts/s on 2 cores.
            self._session = onnxruntime.InferenceSession(
                str(model),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["SkipLayerNormFusion"],
            )
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise Fatal(f"{model.name}: onnxruntime cannot load it: {error}") from error
        inputs = {i.name for i in self._session.get_inputs()}
        outputs = {o.name: o.shape for o in self._session.get_outputs()}
        if inputs != INPUTS[layout]:
            raise Fatal(f"{model.name}: its inputs {sorted(inputs)} are not those of the layout {layout!r}")
        if OUTPUT not in outputs or outputs[OUTPUT][-1] != labels:
            raise Fatal(f"{model.name}: its outputs {outputs} hold no {OUTPUT!r} for {labels} labels")
        self._layout = layout

    def logits(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Run the graph once. Logits float32 [windows, labels]; raises onnxruntime's errors."""
        found: NDArray[np.float32] = self._session.run([OUTPUT], feed(windows, self._layout))[0]
        return found
