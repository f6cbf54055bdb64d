"""107,525 dictionary glosses with their real embeddings and exact truth; or random ones where they are absent."""

import gzip

import msgspec
import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.home import DATA, QUICK


class Gloss(msgspec.Struct, frozen=True):
    id: str
    pos: str
    topic: str
    members: list[str]
    definition: str

    @property
    def text(self) -> str:
        return f"{', '.join(self.members)}: {self.definition}"


class Corpus(msgspec.Struct, frozen=True):
    """Texts, their vectors, query vectors and for each query the exact top hundred positions."""

    glosses: list[Gloss]
    docs: NDArray[np.float16]
    queries: NDArray[np.float32]
    truth: NDArray[np.int32]
    source: str


def load_corpus() -> Corpus:
    """The real one when the data folder is there."""
    folder = DATA / "vectors" / "oewn-minilm"
    if not folder.is_dir():
        return _generated()
    with gzip.open(DATA / "texts100k" / "wordnet_glosses.ndjson.gz") as file:
        glosses = [msgspec.json.decode(line, type=Gloss) for line in file]
    queries = np.load(folder / "queries.f16.npy").astype(np.float32)
    truth = np.load(folder / "truth100.i32.npy")
    count = 200 if QUICK else len(queries)
    return Corpus(
        glosses=glosses,
        docs=np.load(folder / "docs.f16.npy"),
        queries=queries[:count],
        truth=truth[:count],
        source="oewn-minilm",
    )


def _generated(count: int = 100_000, dimensions: int = 384) -> Corpus:
    """Clustered random vectors: no meaning, but the same work."""
    random = np.random.default_rng(7)
    centres = random.normal(size=(500, dimensions))
    docs = centres[random.integers(0, 500, count)] + random.normal(size=(count, dimensions)) * 0.6
    docs /= np.linalg.norm(docs, axis=1, keepdims=True)
    queries = docs[random.integers(0, count, 500)] + random.normal(size=(500, dimensions)) * 0.02
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    halves = docs.astype(np.float16)
    similarity = queries.astype(np.float32) @ halves.astype(np.float32).T
    truth = np.argsort(-similarity, axis=1)[:, :100].astype(np.int32)
    glosses = [
        Gloss(id=f"{n:08d}-n", pos="n", topic=f"t{n % 40}", members=[f"w{n}"], definition=f"generated {n}")
        for n in range(count)
    ]
    return Corpus(
        glosses=glosses, docs=halves, queries=queries.astype(np.float32), truth=truth, source="generated"
    )


def recall_at_10(corpus: Corpus, query: int, found: list[str], positions: dict[str, int]) -> float:
    """Share of the ten nearest that were found; one as near as the tenth counts, whichever it is."""
    docs = corpus.docs[[positions[key] for key in found]].astype(np.float32)
    tenth = corpus.docs[corpus.truth[query][9]].astype(np.float32)
    vector = corpus.queries[query]
    # cosine; the stored vectors are of length 1 up to half precision
    limit = float(tenth @ vector / np.linalg.norm(tenth)) - 1e-4
    scores = (docs @ vector) / np.linalg.norm(docs, axis=1)
    return float((scores >= limit).sum()) / 10
