"""Reads a csv file of events (user, item, time) with polars or pandas, and numbers and sorts it as `prepare` does.

    pip install polars pandas
    python benches/peers/table_csv.py polars|pandas read|prepare FILE.csv OUT.json

`prepare` ends with what a corpus holds: users and items as dense numbers in order of first appearance, events grouped by user, each
user's by time, equal times in the order of the file. Ids are text, as here.
"""
import json
import resource
import sys
import time

library, step, path, out = sys.argv[1:5]


def with_polars():
    import polars as pl

    frame = pl.read_csv(path, schema_overrides={"user": pl.String, "item": pl.String})
    if step == "prepare":
        numbered = [pl.col(name).cast(pl.Categorical).to_physical() for name in ("user", "item")]
        frame = frame.with_columns(numbered)
        frame = frame.sort(["user", "time"], maintain_order=True)
    return pl.__version__, frame.height


def with_pandas():
    import pandas as pd

    frame = pd.read_csv(path, dtype={"user": str, "item": str})
    if step == "prepare":
        for name in ("user", "item"):
            frame[name] = pd.factorize(frame[name])[0].astype("uint32")
        frame = frame.sort_values(["user", "time"], kind="stable")
    return pd.__version__, len(frame)


start = time.perf_counter()
version, rows = {"polars": with_polars, "pandas": with_pandas}[library]()
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
figures = {"version": version, "rows": rows, "seconds": seconds, "rows_per_second": rows / seconds, "peak_bytes": peak,
           "peak_bytes_per_row": peak / rows}
print(figures)
with open(out, "w") as file:
    json.dump(figures, file)
