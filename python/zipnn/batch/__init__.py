"""Very many files into archives, by any number of machines: what the command `zipnn batch` does, for engines that call
Python, and for files that are not on disks.

    from zipnn import batch

    batch.run(files, "archives", "run.jsonl", root="models", families=True)
    batch.run_ray(files, "s3://bucket/archives", "run.jsonl", root="s3://bucket/models", families=True, resume=True)

The manifest is that of the command, a line of JSON for each file, and the archives are the same, byte for byte: `zipnn
audit` reads both, and a run that one of them began is gone on with by the other. One process, the driver, plans and
writes the manifest; workers look at files, compress them, and return what the line shall say. A worker that dies loses
nothing but its file's work, and a driver that dies is started again with resume=True.

An engine is a function of (function, jobs) that returns the results in any order, as the built-in `map` does it: the
`map` of an executor, and of Spark and Dask what examples/python/batch_spark.py and batch_dask.py have.
"""

from __future__ import annotations

from .driver import Summary, ray_engine, run, run_ray

__all__ = ["Summary", "ray_engine", "run", "run_ray"]
