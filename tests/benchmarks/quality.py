"""How good the answers are: nDCG@10 on the NPL collection (11,429 abstracts, 93 judged questions), through the service.

Vector, text and hybrid over one index, exactly; and int8 beside fp32 over the same texts. The peer of hybrid is the
better of the two that it joins.
"""

import asyncio
import csv
import statistics
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from app.catalog.models import ColumnRequest, DatasetRequest
from app.catalog.service import create_or_update_dataset
from app.db.database import Database, open_database
from app.models.embedders import Embedders
from app.models.minilm import MiniLMEmbedder
from app.models.protocol import ModelInfo, Vectors
from app.profiles.models import ProfileRequest
from app.profiles.service import create_or_update_profile, get_profile
from app.vectors.indexing import index_pending
from app.vectors.models import IndexRequest, SearchRequest
from app.vectors.search import Searcher
from app.vectors.service import create_index
from app.versions.plan import measure_ndcg
from tests.benchmarks.figures import Figure
from tests.benchmarks.home import DATA, QUICK, Home

FOLDER = DATA / "retrieval" / "npl"
DATASET, INDEX, PROFILE, K = "abstracts", "abstracts_v1", "librarian", 10
MODES = ("vector", "text", "hybrid")
#: What int8 may lose, in nDCG.
LOSS = 0.005
Judged = Mapping[str, set[str]]


class Document(msgspec.Struct, frozen=True):
    """A document or a question; keys as the collection has them."""

    id: str = msgspec.field(name="_id")
    text: str
    title: str = ""

    @property
    def whole(self) -> str:
        return f"{self.title} {self.text}".strip()


class Collection(msgspec.Struct, frozen=True):
    """Documents, questions, and for each question those that answer it."""

    documents: list[Document]
    questions: list[Document]
    judged: Judged


class Known:
    """An embedder that was asked these texts before."""

    def __init__(self, base: MiniLMEmbedder, vectors: Mapping[str, np.ndarray]) -> None:
        self._base = base
        self._vectors = vectors

    async def describe(self) -> ModelInfo:
        return await self._base.describe()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in texts if text not in self._vectors]
        known = {**self._vectors, **dict(zip(new, await self._base.embed(new), strict=True))}
        return np.array([known[text] for text in texts], np.float32)

    async def close(self) -> None:
        await self._base.close()


def load_collection() -> Collection:
    """The collection; of all questions only every fourth when measuring less."""
    documents = _read("corpus.jsonl")
    judged: dict[str, set[str]] = {}
    with (FOLDER / "qrels" / "test.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if float(row["score"]) > 0:
                judged.setdefault(row["query-id"], set()).add(row["corpus-id"])
    questions = [question for question in _read("queries.jsonl") if question.id in judged]
    if QUICK:
        questions = questions[::4]
        kept = {key for question in questions for key in judged[question.id]}
        documents = [document for n, document in enumerate(documents) if n % 8 == 0 or document.id in kept]
    return Collection(documents=documents, questions=questions, judged=judged)


def _read(name: str) -> list[Document]:
    with (FOLDER / name).open("rb") as file:
        return [msgspec.json.decode(line, type=Document) for line in file]


def measure(home: Home) -> list[Figure]:
    """The three ways to search, and the two precisions; nothing where the collection is absent."""
    return asyncio.run(_measure(home, load_collection())) if FOLDER.is_dir() else []


async def _measure(home: Home, collection: Collection) -> list[Figure]:
    texts = [document.whole for document in collection.documents]
    exact, fast = MiniLMEmbedder(), MiniLMEmbedder(precision="int8")
    vectors = await exact.embed(texts)
    known = Known(exact, dict(zip(texts, vectors, strict=True)))
    database = await open_database(home.service_dsn, home.settings)
    try:
        await _prepare(database, known, collection)
        found = {mode: await _search(database, known, collection, mode) for mode in MODES}
    finally:
        await database.close()
    by_precision = [
        await _rank(exact, vectors, collection),
        await _rank(fast, await fast.embed(texts), collection),
    ]
    await exact.close()
    await fast.close()
    return [_hybrid(found, len(texts)), _precision(*by_precision)]


async def _prepare(database: Database, embedder: Known, collection: Collection) -> None:
    steward, owner = database.steward(), database.owner()
    columns = [ColumnRequest(name=name, type="text") for name in ("id", "text")]
    await create_or_update_dataset(steward, DatasetRequest(name=DATASET, row_key="id", columns=columns))
    async with owner.begin() as transaction:
        cursor = transaction.connection.cursor()
        async with cursor.copy(f"copy lake.{DATASET} (id, text) from stdin") as copy:
            for document in collection.documents:
                await copy.write_row((document.id, document.whole))
    await create_index(steward, embedder, IndexRequest(source=DATASET, text_columns=["text"]))

    async def report(done: int, total: int) -> None:
        """Nobody watches."""

    await index_pending(database, Embedders(embedder), INDEX, report)
    await create_or_update_profile(steward, ProfileRequest(id=PROFILE, bound_datasets=[DATASET]))


async def _search(database: Database, embedder: Known, collection: Collection, mode: str) -> list[float]:
    searcher = Searcher(database, Embedders(embedder))
    scope = database.reader((await get_profile(database.steward(), PROFILE)).role_name)
    scores = []
    for question in collection.questions:
        wanted = {"index": INDEX, "query": question.text, "k": 2 * K, "mode": mode}
        answer = await searcher.search(scope, PROFILE, msgspec.convert(wanted, SearchRequest))
        scores.append(
            measure_ndcg(
                list(dict.fromkeys(hit.doc_key for hit in answer.hits)), collection.judged[question.id], K
            )
        )
    return scores


async def _rank(embedder: MiniLMEmbedder, vectors: Vectors, collection: Collection) -> list[float]:
    scores = []
    for question in collection.questions:
        (vector,) = await embedder.embed([question.text])
        nearest = np.argsort(-(vectors @ vector), kind="stable")[:K]
        ranked = [collection.documents[place].id for place in nearest]
        scores.append(measure_ndcg(ranked, collection.judged[question.id], K))
    return scores


def _hybrid(found: Mapping[str, list[float]], count: int) -> Figure:
    means = {mode: statistics.fmean(scores) for mode, scores in found.items()}
    better = max(means["vector"], means["text"])
    return Figure(
        name="nDCG@10 of hybrid search, NPL",
        ours=f"{means['hybrid']:.3f}",
        peer=f"vector {means['vector']:.3f}, text {means['text']:.3f}",
        value=means["hybrid"] - better,
        unit="",
        relation=">=",
        target=0,
        note=f"{len(found['hybrid'])} questions, {count:,} abstracts, through the service as a profile",
    )


def _precision(exact: list[float], fast: list[float]) -> Figure:
    lost = np.array(exact) - np.array(fast)
    return Figure(
        name="nDCG@10 of int8 beside fp32, NPL",
        ours=f"{statistics.fmean(fast):.4f}",
        peer=f"{statistics.fmean(exact):.4f}",
        value=float(-lost.mean()),
        unit="",
        relation=">=",
        target=-LOSS,
        note=f"standard error of the difference {lost.std() / len(lost) ** 0.5:.4f}",
    )
