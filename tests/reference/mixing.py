"""Section 8 of doc/format.md: mixed predictions."""

TO_32_BITS = 0xFFFFFFFF


def signed(x):
    """x in 32 bits of two's complement."""
    return (x & TO_32_BITS) - ((x & 0x80000000) << 1)


def clamp(x, least, most):
    return max(least, min(most, x))


def make_tables():
    squash, power = [0] * 4096, 1 << 32
    for i in range(2048):
        p = (1 << 48) // ((1 << 32) + power)
        squash[2048 + i], squash[2048 - i] = min(p, 65520), max(65536 - p, 16)
        power = power * 4278222805 >> 32
    stretch, x = [], -2047
    for p in range(4096):
        while x < 2047 and squash[x + 2048] >> 4 < p:
            x += 1
        stretch.append(x)
    pull, power = [], 1 << 20
    for i in range(1024):
        pull.append((power >> 8) - 65536)
        if i < 832:
            power = power * 2159144272 >> 31
    return squash, stretch, pull


SQUASH, STRETCH, PULL = make_tables()


class Bits:
    """Decisions and plain bits; past the end come zeros."""

    def __init__(self, code, plain):
        self.code, self.at = code, 0
        self.plain, self.plain_at = int.from_bytes(plain, "little"), 0
        self.range = (1 << 64) - 1
        self.low = self.step() << 32
        self.low |= self.step()

    def step(self):
        four = self.code[self.at : self.at + 4]
        self.at += 4
        return int.from_bytes(four + bytes(4 - len(four)), "big")

    def decide(self, p):
        bound = (self.range >> 16) * p
        bit = self.low < bound
        if bit:
            self.range = bound
        else:
            self.low -= bound
            self.range -= bound
        if self.range < 1 << 32:
            self.range <<= 32
            self.low = self.low << 32 | self.step()
        return int(bit)

    def take(self, n):
        value = self.plain >> self.plain_at & (1 << n) - 1
        self.plain_at += n
        return value


class Counter:
    def __init__(self):
        self.p, self.n = 1 << 21, 0

    def update(self, bit, limit):
        off = ((bit << 22) - self.p) >> 5
        self.p += off * (32768 // (2 * self.n + 3)) >> 9
        self.n = min(self.n + 1, limit)


class Model:
    """All that is learnt; a counter comes into being when it is first used."""

    def __init__(self, bits):
        self.bits, self.counters = bits, {}
        self.weights = [[3277] * 4 for _ in range(32)]

    def counter(self, *key):
        return self.counters.setdefault(key, Counter())

    def mixed(self, counters, weights):
        inputs = [STRETCH[c.p >> 10] for c in counters]
        total = signed(sum(i * w for i, w in zip(inputs, weights)))
        p = SQUASH[clamp(total >> 14, -2047, 2047) + 2048]
        bit = self.bits.decide(p)
        off = ((bit << 16) - p) * 14 >> 4
        for i in range(4):
            weights[i] = signed(weights[i] + (inputs[i] * off + 131072 >> 18))
            counters[i].update(bit, 127)
        return bit

    def mean(self, a, b):
        bit = self.bits.decide(clamp((a.p >> 7) + (b.p >> 7), 64, 65472))
        for c in (a, b):
            c.update(bit, 255)
        return bit


class Walk:
    def __init__(self, model, exponent_bits, mantissa_bits, cut, sign, zeros):
        self.m = model
        self.exponent_bits, self.mantissa_bits, self.cut = exponent_bits, mantissa_bits, cut
        self.sign, self.zeros = sign, zeros
        self.most = (1 << exponent_bits) - 1
        self.all = self.recent = clamp((1 << exponent_bits - 1) - 8, 1, self.most) << 16
        self.left = self.left2 = self.all >> 9
        self.n_all = 0
        self.keys = []

    def begin_run(self, axis, phase):
        self.axis, self.period = axis, axis[0] * axis[1]
        self.index = [phase // axis[1], phase % axis[1]]
        self.scales = [[0] * axis[0], [0] * axis[1]]
        self.counts = [[0] * axis[0], [0] * axis[1]]
        self.outer = self.n_outer = self.i = 0
        self.n_all = min(self.n_all, 8)

    def key(self, word):
        magnitude = word >> 1
        if self.mantissa_bits >= 7:
            return magnitude >> self.mantissa_bits - 7
        return magnitude << 7 - self.mantissa_bits

    def element(self):
        """The next rotated word."""
        scale = self.all + self.outer
        for a in (0, 1):
            if self.axis[a] > 1:
                scale += self.scales[a][self.index[a]]
        above = self.keys[-self.period] if self.i >= self.period else max(scale, 0) >> 9
        word = self.word(scale, above)
        key = self.key(word)
        self.learn(scale, key)
        self.keys.append(key)
        self.left2, self.left = self.left, key
        self.advance()
        return word

    def word(self, scale, above):
        m = self.m
        start = clamp(scale >> 16, 1, self.most)
        fraction = scale >> 12 & 15 if start == scale >> 16 else 8
        if self.zeros:
            around = (self.left == 0) | (above == 0) << 1 | (self.left2 == 0) << 2
            if m.mean(m.counter("zero", around), m.counter("zero of", clamp(scale >> 19, 0, 31))):
                return self.rest(0)
        e = self.exponent(start, fraction, scale, above)
        bits = self.mantissa_bits - self.cut
        top_bits = min(bits, 3)
        tree = 1
        for _ in range(top_bits):
            near = m.counter("bits", clamp(e - start, -7, 8), fraction >> 1, tree)
            tree = tree << 1 | m.mean(near, m.counter("bits of", e, tree))
        top = tree - (1 << top_bits)
        rest = self.rest(bits - top_bits)
        mantissa = (top << bits - top_bits | rest >> 1) << self.cut
        return (e << self.mantissa_bits | mantissa) << 1 | rest & 1

    def rest(self, bits):
        if self.sign == 0:
            return self.m.bits.take(bits + 1)
        return self.m.bits.take(bits) << 1 | self.sign & 1

    def exponent(self, start, fraction, scale, above):
        m = self.m
        recent = clamp(self.recent - scale >> 14, -8, 7)
        near = [clamp((key << 9) - scale >> 15, -5, 2) for key in (above, self.left)]

        def decide(node, exponent):
            way = 0 if node == 0 else 1 if node < 16 else 2
            counters = [
                m.counter("shape", fraction, node),
                m.counter("recent", recent, fraction >> 2, node),
                m.counter("exponent", exponent, way),
                m.counter("near", *near, node),
            ]
            return m.mixed(counters, m.weights[node])

        if decide(0, start):
            e = start
            while e < self.most:
                if e - start == 8:
                    return self.spelled()
                if not decide(1 + e - start, e + 1):
                    break
                e += 1
            return e
        e = start - 1
        while e > 0:
            if start - 1 - e == 15:
                return self.spelled()
            if not decide(16 + start - 1 - e, e):
                break
            e -= 1
        return e

    def spelled(self):
        tree = 1
        for _ in range(self.exponent_bits):
            c = self.m.counter("rare", tree)
            bit = self.m.bits.decide(clamp((c.p >> 7) * 2, 64, 65472))
            c.update(bit, 255)
            c.update(bit, 255)
            tree = tree << 1 | bit
        return tree - (1 << self.exponent_bits)

    def learn(self, scale, key):
        def pull_of(scale):
            return PULL[clamp((key << 9) - scale >> 9, -512, 511) + 512]

        def pulled(scale, n):
            return clamp(scale + (pull * (16384 // n) >> 14), -(1 << 28), 1 << 28)

        pull = pull_of(scale)
        self.all = pulled(self.all, self.n_all + 2)
        self.n_all = self.n_all + 1 if self.n_all < 15 else 298
        if self.period > 1:
            self.outer = pulled(self.outer, self.n_outer + 8)
            self.n_outer = min(self.n_outer + 1, 64)
        for a in (0, 1):
            if self.axis[a] > 1:
                i, counts, scales = self.index[a], self.counts[a], self.scales[a]
                scales[i] = pulled(scales[i], counts[i] + 7)
                counts[i] = min(counts[i] + 1, 128)
        self.recent += pull_of(self.recent) >> 3

    def advance(self):
        self.i += 1
        self.index[1] += 1
        if self.index[1] < self.axis[1]:
            return
        self.index[1] = 0
        self.index[0] += 1
        if self.index[0] < self.axis[0]:
            return
        self.index[0] = 0
        self.outer = self.n_outer = 0


def read_number(r, demand):
    value = 0
    for i in range(5):
        byte = r.uint(1)
        value |= (byte & 127) << 7 * i
        if byte < 128:
            break
    return value


def decode_mixing(r, size, demand):
    """`r` reads the coded bytes of `size` bytes; demand(holds, what) refuses."""
    width, exponent_bits, n_head, cut, sign, zeros = (r.uint(1) for _ in range(6))
    runs_len, code_len = r.uint(4), r.uint(4)
    demand(width in (1, 2, 4), f"words of {width} bytes")
    demand(2 <= exponent_bits <= min(8, 8 * width - 1), f"{exponent_bits} bits of exponent")
    mantissa_bits = 8 * width - 1 - exponent_bits
    demand(n_head < width and n_head <= size and cut <= mantissa_bits, f"head {n_head}, cut {cut}")
    demand(sign in (0, 2, 3) and zeros <= 1, f"sign {sign}, zeros {zeros}")
    n, n_tail = divmod(size - n_head, width)
    head, tail = r.take(n_head), r.take(n_tail)
    runs = type(r)(r.take(runs_len))
    code = r.take(code_len)
    plain = r.take(r.left())
    bits = Bits(code, plain)
    walk = Walk(Model(bits), exponent_bits, mantissa_bits, cut, sign, zeros)
    out = bytearray(head)
    while n > 0:
        n_run, fast, slow, phase = (read_number(runs, demand) for _ in range(4))
        demand(1 <= n_run <= n, f"run of {n_run} of {n} words")
        demand(all(1 <= axis <= min(n_run, 65536) for axis in (slow, fast)), f"axes {slow}, {fast} of {n_run} words")
        demand(phase < slow * fast, f"phase {phase} of axes {slow}, {fast}")
        walk.begin_run((slow, fast), phase)
        for _ in range(n_run):
            word = walk.element()
            out += (word >> 1 | (word & 1) << 8 * width - 1).to_bytes(width, "little")
        n -= n_run
    demand(runs.left() == 0, "runs past the last word")
    demand(bits.at == code_len + 4, "the code is not used up exactly")
    demand(bits.plain_at <= 8 * len(plain) < bits.plain_at + 8, "the plain bits are not used up exactly")
    demand(bits.plain >> bits.plain_at == 0, "unused plain bits are not 0")
    return bytes(out) + tail
