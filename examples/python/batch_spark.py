"""zipnn.batch on Spark: an engine in two lines. A task whose executor dies is done again by Spark.

    python batch_spark.py ROOT OUTPUT MANIFEST FILE...
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pyspark.sql import SparkSession
from zipnn import batch


def spark_engine(session: SparkSession) -> Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]:
    """Each job is a task of its own: files differ much in size. Results come as partitions end, in their order."""

    def engine(function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterable[Any]:
        return session.sparkContext.parallelize(jobs, len(jobs)).map(function).toLocalIterator(True) if jobs else []

    return engine


def main(root: str, output: str, manifest: str, files: list[str]) -> None:
    session = SparkSession.builder.appName("zipnn-batch").getOrCreate()
    try:
        print(batch.run(files, output, manifest, root=root, families=True, resume=True, engine=spark_engine(session)))
    finally:
        session.stop()


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
