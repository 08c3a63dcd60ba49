"""Scans of codes by faiss, one thread, one query at a time, for another program that takes turns with it.

    pip install faiss-cpu
    python benches/peers/faiss_scans.py FOLDER KIND SIZE

FOLDER is what `faiss_single.py` left. Kinds: pq4, pq8 (SIZE sub-vectors), rabitq. Each line of the standard input is answered:
`recall` with recall@10 and recall@100, any other with the seconds of one pass over all queries.
"""
import pathlib
import sys
import time

import faiss
import numpy as np

folder, kind, size = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
K = 100
IP = faiss.METRIC_INNER_PRODUCT
faiss.omp_set_num_threads(1)


def read(name):
    rows = np.fromfile(folder / name, "<f4")
    width = int(rows[:1].view("<i4")[0])
    return np.ascontiguousarray(rows.reshape(-1, width + 1)[:, 1:])


x, q = read("vectors.fvecs"), read("queries.fvecs")
d = x.shape[1]
if kind == "rabitq":
    index = faiss.IndexRaBitQ(d, IP)
    index.qb = 4
else:
    index = {"pq4": lambda: faiss.IndexPQFastScan(d, size, 4, IP), "pq8": lambda: faiss.IndexPQ(d, size, 8, IP)}[kind]()
index.train(x)
index.add(x)


def recall(found, truth, at):
    return float(np.mean([len(set(f[:at]) & set(t[:at])) / at for f, t in zip(found, truth)]))


for line in sys.stdin:
    if line.strip() == "recall":
        flat = faiss.IndexFlatIP(d)
        flat.add(x)
        truth = flat.search(q, K)[1]
        found = np.concatenate([index.search(q[i : i + 1], K)[1] for i in range(len(q))])
        print(recall(found, truth, 10), recall(found, truth, 100), flush=True)
        continue
    start = time.perf_counter()
    for i in range(len(q)):
        index.search(q[i : i + 1], K)
    print(time.perf_counter() - start, flush=True)
