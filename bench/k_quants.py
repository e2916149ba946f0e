"""Q4_K and Q6_K blocks of 256 numbers as ggml makes them without an importance matrix; the PyPI package gguf only
reads these two.

The search for a scale tries the same candidates as ggml's reference code and takes the one of least weighted error.
"""

import numpy
import numpy.typing

Floats = numpy.typing.NDArray[numpy.float32]
Bytes = numpy.typing.NDArray[numpy.uint8]

BLOCK = 256
Q6_K_BYTES, Q4_K_BYTES = 210, 144
TINY = numpy.float32(1e-30)


def over(value: float, by: Floats) -> Floats:
    """value / by, and 0 where by is 0."""
    found: Floats = numpy.divide(numpy.float32(value), by, out=numpy.zeros_like(by), where=by != 0)
    return found


def signed_scales(x: Floats, n_max: int) -> Floats:
    """The scale of each row of x whose integers -n_max .. n_max - 1 are nearest to it, weighted by x * x."""
    at = numpy.abs(x).argmax(axis=1)
    largest = numpy.take_along_axis(x, at[:, None], axis=1)[:, 0]
    best = numpy.full(len(x), -1.0, numpy.float32)
    scale = numpy.zeros(len(x), numpy.float32)
    for step in range(-9, 10):
        inverse = over(-(n_max + 0.1 * step), largest)
        level = numpy.clip(numpy.rint(inverse[:, None] * x), -n_max, n_max - 1)
        weight = x * x
        sum_lx, sum_l2 = (weight * x * level).sum(axis=1), (weight * level * level).sum(axis=1)
        gain = over(1, sum_l2) * sum_lx * sum_lx
        better = gain > best
        best[better] = gain[better]
        scale[better] = (over(1, sum_l2) * sum_lx)[better]
    return scale


def q6_k(x: Floats) -> Bytes:
    """x: (blocks, 256)."""
    n = len(x)
    scale = signed_scales(x.reshape(-1, 16), 32).reshape(n, 16)
    at = numpy.abs(scale).argmax(axis=1)
    inverse = over(-128, numpy.take_along_axis(scale, at[:, None], axis=1)[:, 0])
    d = over(1, inverse).astype(numpy.float16)
    steps = numpy.clip(numpy.rint(inverse[:, None] * scale), -128, 127).astype(numpy.int8)
    unit = d.astype(numpy.float32)[:, None] * steps
    level = numpy.rint(x.reshape(n, 16, 16) * over(1, unit)[:, :, None])
    code = (numpy.clip(level, -32, 31) + 32).astype(numpy.uint8).reshape(n, 2, 4, 32)
    low = code & 15
    ql = numpy.stack([low[:, :, 0] | low[:, :, 2] << 4, low[:, :, 1] | low[:, :, 3] << 4], axis=2)
    high = code >> 4
    qh = high[:, :, 0] | high[:, :, 1] << 2 | high[:, :, 2] << 4 | high[:, :, 3] << 6
    parts = [ql.reshape(n, 128), qh.reshape(n, 64), steps.view(numpy.uint8), d.view(numpy.uint8).reshape(n, 2)]
    return numpy.concatenate(parts, axis=1)


def scale_and_min(x: Floats) -> tuple[Floats, Floats]:
    """(scale, -minimum) of each row of 32 for integers 0 .. 15, weighted by |x| and the row's spread."""
    weight = numpy.sqrt((x * x).mean(axis=1))[:, None] + numpy.abs(x)
    low, high = numpy.minimum(x.min(axis=1), 0), x.max(axis=1)
    width = high - low
    sum_w, sum_x = weight.sum(axis=1), (weight * x).sum(axis=1)
    best = numpy.full(len(x), numpy.inf, numpy.float32)
    scale, minimum = numpy.zeros(len(x), numpy.float32), low.copy()
    for step in range(-1, 21):
        inverse = over(15.0 if step < 0 else 14 + 0.1 * step, width)
        level = numpy.clip(numpy.rint(inverse[:, None] * (x - low[:, None])), 0, 15)
        sum_l, sum_l2 = (weight * level).sum(axis=1), (weight * level * level).sum(axis=1)
        sum_xl = (weight * level * x).sum(axis=1)
        solve = over(1, sum_w * sum_l2 - sum_l * sum_l)
        try_scale = (sum_w * sum_xl - sum_x * sum_l) * solve
        try_min = (sum_l2 * sum_x - sum_l * sum_xl) * solve
        above = try_min > 0
        try_scale = numpy.where(above, sum_xl * over(1, sum_l2), try_scale)
        try_min = numpy.where(above, 0, try_min)
        error = (weight * (try_scale[:, None] * level + try_min[:, None] - x) ** 2).sum(axis=1)
        better = (error < best) & (solve > 0)
        best[better], scale[better], minimum[better] = error[better], try_scale[better], try_min[better]
    return scale, -minimum


def q4_k(x: Floats) -> Bytes:
    """x: (blocks, 256)."""
    n = len(x)
    scale, minimum = (part.reshape(n, 8) for part in scale_and_min(x.reshape(-1, 32)))
    top, top_min = scale.max(axis=1), minimum.max(axis=1)
    steps = numpy.clip(numpy.rint(over(63, top)[:, None] * scale), 0, 63).astype(numpy.uint8)
    step_mins = numpy.clip(numpy.rint(over(63, top_min)[:, None] * minimum), 0, 63).astype(numpy.uint8)
    d, d_min = (top / 63).astype(numpy.float16), (top_min / 63).astype(numpy.float16)
    unit = d.astype(numpy.float32)[:, None] * steps
    floor = d_min.astype(numpy.float32)[:, None] * step_mins
    level = numpy.rint((x.reshape(n, 8, 32) + floor[:, :, None]) * over(1, unit)[:, :, None])
    code = numpy.clip(level, 0, 15).astype(numpy.uint8).reshape(n, 4, 2, 32)
    first = [steps[:, :4] | steps[:, 4:] >> 4 << 6, step_mins[:, :4] | step_mins[:, 4:] >> 4 << 6]
    packed = numpy.concatenate([*first, steps[:, 4:] & 15 | (step_mins[:, 4:] & 15) << 4], axis=1)
    qs = (code[:, :, 0] | code[:, :, 1] << 4).reshape(n, 128)
    head = [d.view(numpy.uint8).reshape(n, 2), d_min.view(numpy.uint8).reshape(n, 2)]
    return numpy.concatenate([*head, packed, qs], axis=1)
