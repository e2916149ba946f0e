"""Workers that take chunks in turn, simulated: the loop of src/workers/each.c with the costs that were measured.

A worker claims a chunk under a lock, waits until it is the chunk's turn at the first stage (the digest of the original
is fed in order), works, waits for its turn at the second stage (the place of the result), and claims the next one.
A turn that somebody already sleeps for begins when he has woken.
"""

import heapq
from dataclasses import dataclass

N_CHUNKS_A_WORKER, LEAST_CHUNKS = 40, 2000


@dataclass(frozen=True)
class Costs:
    """Seconds of a chunk, and bytes it moves to and from memory."""

    work: float  # what any worker does at the same time as others
    first: float  # in turn: bytes
    second: float  # in turn: result
    claim: float  # under the claim lock
    turn: float  # taking and passing a turn on
    wake: float  # more of it for a worker that sleeps when its turn comes
    moved: float


class Stage:
    """Whose turn it is, who waits for it, and when it was passed on."""

    def __init__(self) -> None:
        self.now, self.waiting, self.free = 0, dict[int, tuple[float, int]](), 0.0


def seconds_a_chunk(costs: Costs, n_workers: int) -> float:
    """Of n workers together, without memory's limit."""
    n_chunks = max(LEAST_CHUNKS, N_CHUNKS_A_WORKER * n_workers)
    stages = (Stage(), Stage())
    durations = (costs.first, costs.second)
    events = [
        (0.0, worker, 0, 0) for worker in range(n_workers)
    ]  # when, worker, what (0 claims, 1 and 2 arrive), chunk
    heapq.heapify(events)
    claims_free, next_chunk, end = 0.0, 0, 0.0

    def arrive(which: int, at: float, worker: int, chunk: int) -> None:
        """At a stage; whoever has the turn goes through, and after it those who wait in line."""
        stage = stages[which]
        stage.waiting[chunk] = (at, worker)
        while stage.now in stage.waiting:
            came, who = stage.waiting.pop(stage.now)
            woken = costs.wake if came < stage.free else 0.0
            stage.free = max(stage.free, came) + woken + durations[which] + costs.turn
            if which == 0:
                heapq.heappush(events, (stage.free + costs.work, who, 2, stage.now))
            else:
                heapq.heappush(events, (stage.free, who, 0, 0))
            stage.now += 1

    while events:
        at, worker, what, chunk = heapq.heappop(events)
        end = max(end, at)
        if what == 0:
            if next_chunk == n_chunks:
                continue
            claims_free = max(claims_free, at) + costs.claim
            heapq.heappush(events, (claims_free, worker, 1, next_chunk))
            next_chunk += 1
        else:
            arrive(what - 1, at, worker, chunk)
    return end / n_chunks


def speed(costs: Costs, n_workers: int, chunk: int, bandwidth: float = float("inf")) -> float:
    """Bytes of the original a second; bandwidth is what memory moves in a second, both ways together."""
    return chunk / max(seconds_a_chunk(costs, n_workers), costs.moved / bandwidth)
