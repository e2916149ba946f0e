"""zipnn.batch on Dask: an engine in two lines. A task whose worker dies is done again by Dask.

    python batch_dask.py ROOT OUTPUT MANIFEST FILE...    # on that of DASK_SCHEDULER_ADDRESS, or one of this machine
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dask.distributed import Client, as_completed
from zipnn import batch


def dask_engine(client: Client) -> Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]:
    """Results come as they are done."""

    def engine(function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterable[Any]:
        return (done.result() for done in as_completed(client.map(function, jobs, retries=3, pure=False)))

    return engine


def main(root: str, output: str, manifest: str, files: list[str]) -> None:
    with Client() as client:
        print(batch.run(files, output, manifest, root=root, families=True, resume=True, engine=dask_engine(client)))


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
