"""Times faiss on one thread, one query at a time; leaves its figures in `faiss.json` and its data for `retrieval_recall`.

    pip install faiss-cpu
    python benches/peers/faiss_single.py FOLDER [vectors] [width]

Data: 1,000 centres N(0, I); vectors and queries are a centre + 0.6 N(0, I); inner product.
"""
import json
import pathlib
import sys
import time

import faiss
import numpy as np

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
n = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
d = int(sys.argv[3]) if len(sys.argv) > 3 else 64
faiss.omp_set_num_threads(1)
rng = np.random.default_rng(7)
centres = rng.normal(size=(1000, d))


def draw(count):
    return (centres[rng.integers(0, 1000, count)] + 0.6 * rng.normal(size=(count, d))).astype("f4")


def save(path, rows):
    head = np.full((len(rows), 1), d, "<i4").view("<f4")
    np.hstack([head, rows]).astype("<f4").tofile(path)


x, q = draw(n), draw(1000)
save(folder / "vectors.fvecs", x)
save(folder / "queries.fvecs", q)
flat = faiss.IndexFlatIP(d)
flat.add(x)
truth = flat.search(q, 100)[1]
rows = []


def measure(name, index, k, bytes_per_item, build):
    for i in range(3):
        index.search(q[i : i + 1], k)
    start = time.perf_counter()
    found = np.concatenate([index.search(q[i : i + 1], k)[1] for i in range(len(q))])
    seconds = time.perf_counter() - start

    def recall(at):
        return np.mean([len(set(f[:at]) & set(t[:at])) / at for f, t in zip(found, truth)])

    at = {str(n): float(recall(n)) for n in (10, 100) if n <= k}
    rows.append({"method": name, "queries_per_second": len(q) / seconds, "recall_at": at, "bytes_per_item": bytes_per_item,
                 "build_seconds": build})
    full = f"{recall(100):.3f}" if k >= 100 else "     "
    print(f"{name:28s} {len(q) / seconds:9.0f} queries/s  recall@10 {recall(10):.3f}  recall@100 {full}  "
          f"{bytes_per_item} B/item  build {build:.1f} s", flush=True)


def built(index):
    start = time.perf_counter()
    if not index.is_trained:
        index.train(x)
    index.add(x)
    return time.perf_counter() - start


print(f"faiss {faiss.__version__}, {n} x {d}")
measure("flat", flat, 100, 4 * d, 0.0)
IP = faiss.METRIC_INNER_PRODUCT
rabitq = faiss.IndexRaBitQ(d, IP)
rabitq.qb = 4
for name, index, size in [
    (f"PQ {d // 4} x 8 bit", faiss.IndexPQ(d, d // 4, 8, IP), d // 4),
    (f"PQ {d // 2} x 4 bit, fast scan", faiss.IndexPQFastScan(d, d // 2, 4, IP), d // 4),
    (f"PQ {d} x 4 bit, fast scan", faiss.IndexPQFastScan(d, d, 4, IP), d // 2),
    (f"LSH {4 * d} bit", faiss.IndexLSH(d, 4 * d), d // 2),
    (f"RaBitQ {d} bit", rabitq, d // 8 + 8),
]:
    seconds = built(index)
    measure(name, index, 100, size, seconds)


def empty_graph():
    graph = faiss.IndexHNSWFlat(d, 16, IP)
    graph.hnsw.efConstruction = 100
    return graph


faiss.omp_set_num_threads(2)
built_by_two = built(empty_graph())
faiss.omp_set_num_threads(1)
graph = empty_graph()
seconds = built(graph)
for ef in (16, 32, 64, 128):
    graph.hnsw.efSearch = ef
    measure(f"HNSW 16 links, ef {ef}", graph, 10, 4 * d + 16 * 2 * 4, seconds)
built_in = [{"threads": 1, "seconds": seconds}, {"threads": 2, "seconds": built_by_two}]
print("HNSW built:", built_in)
figures = {"faiss": faiss.__version__, "rows": rows, "hnsw_built": built_in}
(folder / "faiss.json").write_text(json.dumps(figures, indent=2) + "\n")
