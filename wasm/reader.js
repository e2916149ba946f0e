// Reads archives of zipnn by ranges, in browsers, Node.js, Deno and Bun: nothing is fetched but the index and the
// frames that hold what is asked for. zipnn.wasm is the C decoder (include/zipnn/decoder.h).
//
//     const zipnn = await Zipnn.load(await WebAssembly.compileStreaming(fetch("zipnn.wasm")));
//     const archive = await zipnn.open((from, to) => bytes of the archive, as a Uint8Array, length of the archive);
//     const bytes = await archive.read(offset, length);           // of the original; a third argument is a Uint8Array for them
//     await archive.verify();                                     // all of it, against its digest
//     const { tensors, metadata } = await archive.safetensors();  // name -> {dtype, shape, offset, length}
//
// Several reads may run at once. What is wrong with an archive is thrown as a ZipnnError, with `status`, a name as
// in zipnn.h, and `offset`, a place in the archive.

const STATUS = ["ok", "argument", "memory", "io", "format", "truncated", "corrupt", "unsupported", "limit", "space", "not_found"];
const HEADER = 24, TRAILER = 16, PAGE = 65536;
const ERROR = 256, FRAME = 32, NEEDS = 40, PART = 32, LIST = 80, DIGEST = 16; // sizes of the structs, rounded up
const MAX_REFERRED = 16; // chunks

export class ZipnnError extends Error {
    constructor(message, status, offset) {
        super(message);
        this.status = status;
        this.offset = offset;
    }
}

export class Zipnn {
    static async load(module) {
        const instance = await WebAssembly.instantiate(module, {});
        const zipnn = new Zipnn();
        zipnn.c = (instance.exports ?? instance.instance.exports);
        zipnn.module = module;
        return zipnn;
    }

    // An archive works in an instance, and so in memory, of its own.
    async open(readRange, length) {
        const archive = new Archive((await Zipnn.load(this.module)).c, readRange, length);
        await archive.start();
        return archive;
    }
}

class Archive {
    constructor(c, readRange, length) {
        Object.assign(this, { c, readRange, length, heap: c.__heap_base.value, last: Promise.resolve() });
        this.error = this.take(ERROR);
    }

    take(n) { // memory for good
        const at = (this.heap + 63) & ~63;
        this.heap = at + n;
        const missing = this.heap - this.c.memory.buffer.byteLength;
        if (missing > 0 && this.c.memory.grow(Math.ceil(missing / PAGE)) < 0) throw new ZipnnError("out of memory", "memory");
        return at;
    }

    view() { return new DataView(this.c.memory.buffer); }
    put(at, bytes) { new Uint8Array(this.c.memory.buffer).set(bytes, at); }
    get(at, n) { return new Uint8Array(this.c.memory.buffer).slice(at, at + n); }
    u64(at) { return Number(this.view().getBigUint64(at, true)); }

    check(status) {
        if (status === 0) return;
        const bytes = this.get(this.error + 16, 240), offset = this.view().getBigUint64(this.error + 8, true);
        const message = new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
        throw new ZipnnError(message, STATUS[status] ?? "base", offset === 2n ** 64n - 1n ? undefined : Number(offset));
    }

    async fetch(from, to) {
        const bytes = await this.readRange(from, to);
        if (bytes.length !== to - from) throw new ZipnnError(`asked for bytes ${from} to ${to}, got ${bytes.length}`, "io", from);
        return bytes;
    }

    async start() {
        const c = this.c, header = this.take(HEADER), head = this.take(HEADER), where = this.take(16), list = this.list = this.take(LIST);
        if (this.length < HEADER + TRAILER) throw new ZipnnError(`an archive of ${this.length} bytes is cut short`, "truncated", this.length);
        const [first, end] = await Promise.all([this.fetch(0, HEADER), this.fetch(this.length - TRAILER, this.length)]);
        this.put(head, first);
        this.check(c.zipnn_decoder_read_header(head, HEADER, header, this.error));
        this.put(head, end);
        this.check(c.zipnn_decoder_read_trailer(head, BigInt(this.length), where, where + 8, this.error));
        const at = this.u64(where), len = this.u64(where + 8), index = this.take(len);
        this.put(index, await this.fetch(at, at + len));
        this.check(c.zipnn_decoder_read_index(header, index, BigInt(len), BigInt(at), list, this.error));
        this.size = this.u64(list); // of the original
        this.xxh3 = Array.from(this.get(list + 16, DIGEST), (b) => b.toString(16).padStart(2, "0")).join("");
        this.frame = this.take(FRAME);
        [this.needs, this.part] = [this.take(NEEDS), this.take(PART)];
        this.frames = [];
        while (c.zipnn_decoder_next_frame(list, this.frame)) {
            const [at, stored, length, offset] = [this.u64(this.frame), this.view().getUint32(this.frame + 8, true), this.view().getUint32(this.frame + 12, true), this.u64(this.frame + 16)];
            if (length) this.frames.push({ at, stored, length, offset, bytes: this.get(this.frame, FRAME) });
        }
        const room = this.view().getUint32(header, true), memory = c.zipnn_decoder_memory(header);
        [this.stored, this.given, this.reference, this.out] = [this.take(room + 512), this.take(2 * room), this.take(room), this.take(room)];
        this.check(c.zipnn_decoder_create(header, this.take(memory), memory, where, this.error));
        this.decoder = this.view().getUint32(where, true);
    }

    // Returns bytes [offset, offset + length) of the original: in `into`, a Uint8Array of this length, if that is given.
    async read(offset, length, into = undefined, referred = false) {
        if (!(offset >= 0 && length >= 0 && offset + length <= this.size)) throw new ZipnnError(`bytes ${offset} to ${offset + length} are outside of ${this.size}`, "not_found");
        if ((into ??= new Uint8Array(length)).length !== length) throw new ZipnnError(`there is room for ${into.length} bytes, ${length} are asked for`, "space");
        let low = 0, high = this.frames.length;
        while (low < high) {
            const middle = (low + high) >> 1, f = this.frames[middle];
            if (f.offset + f.length <= offset) low = middle + 1; else high = middle;
        }
        for (let i = low; i < this.frames.length && this.frames[i].offset < offset + length; i++) {
            if (referred && i - low === MAX_REFERRED) throw new ZipnnError("a chunk refers to more than 16 chunks", "corrupt");
            const f = this.frames[i], from = Math.max(offset, f.offset), to = Math.min(offset + length, f.offset + f.length);
            await this.chunk(f, referred, to - from < f.length, (bytes) => into.set(bytes.subarray(from - f.offset, to - f.offset), from - offset));
        }
        return into;
    }

    // Decodes the whole original and compares its digest, XXH3-128, with the index's. One call at a time.
    async verify() {
        this.c.zipnn_decoder_digest_begin(this.decoder);
        for (const f of this.frames) {
            await this.chunk(f, false, false, (bytes) => {
                if (bytes.buffer !== this.c.memory.buffer) this.put(this.out, bytes); // one that was kept
                this.c.zipnn_decoder_digest_update(this.decoder, this.out, f.length);
            });
        }
        this.check(this.c.zipnn_decoder_digest_compare(this.decoder, this.list, this.error));
    }

    // Gives the original bytes of a frame to `take`, which uses them at once: the next chunk gets their memory. A chunk
    // of which a part is read is kept, since small tensors share one.
    async chunk(f, referred, keep, take) {
        if (this.kept?.f === f && !(referred && this.kept.refers)) return take(this.kept.bytes);
        const stored = await this.fetch(f.at, f.at + f.stored);
        let part = this.open(f, stored);
        const refers = part !== null;
        if (part) {
            if (part.source) throw new ZipnnError("the archive was made against another file, which this reader does not read", "base", f.at);
            if (referred) throw new ZipnnError("a chunk refers to one that refers to this archive itself", "corrupt", f.at);
            const reference = await this.read(part.offset, part.length, undefined, true);
            part = this.open(f, stored); // others may have used the memory meanwhile
            this.put(this.given, reference);
            this.c.zipnn_decoder_make(this.part, this.given, this.reference);
        }
        this.check(this.c.zipnn_decoder_decode(this.decoder, this.frame, this.stored, refers ? this.reference : 0, this.out, this.error));
        const bytes = new Uint8Array(this.c.memory.buffer, this.out, f.length);
        if (keep && !referred) this.kept = { f, bytes: bytes.slice(), refers };
        take(bytes);
    }

    // Returns what the chunk of a frame is coded against, or null. Of the archive itself it is one part.
    open(f, stored) {
        this.put(this.frame, f.bytes);
        this.put(this.stored, stored);
        this.check(this.c.zipnn_decoder_open_frame(this.decoder, this.frame, this.stored, this.needs, this.error));
        if (this.view().getUint32(this.needs, true) === 0) return null;
        const source = this.view().getUint32(this.needs + 4, true);
        this.check(this.c.zipnn_decoder_next_part(this.needs, this.part, this.error));
        return { source, length: this.view().getUint32(this.part, true), offset: this.u64(this.part + 16) };
    }

    // Reads the header of an original that is a .safetensors file.
    async safetensors() {
        const length = this.size < 8 ? Infinity : Number(new DataView((await this.read(0, 8)).buffer).getBigUint64(0, true));
        if (length > this.size - 8) throw new ZipnnError("the original is no safetensors file", "format");
        const text = new TextDecoder().decode(await this.read(8, length));
        const place = ([name, { dtype, shape, data_offsets: [from, to] }]) => [name, { dtype, shape, offset: 8 + length + from, length: to - from }];
        try {
            const { __metadata__: metadata = {}, ...entries } = JSON.parse(text);
            return { metadata, tensors: Object.fromEntries(Object.entries(entries).map(place)) };
        } catch (error) {
            throw new ZipnnError(`the header of the original is damaged: ${error.message}`, "format");
        }
    }
}
