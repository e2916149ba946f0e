#include "readers/pickle.h"

/* The limits only bound memory: a model of a hundred thousand tensors stays far below each of them. */
enum {
    MAX_OPCODES = 32 << 20,
    MAX_STACK = 1 << 20,
    MAX_MEMO = 1 << 22,
    MAX_ITEMS = 1 << 23,
    MAX_NODES = 1 << 22,
    MAX_TEXT = 64 << 20,
    MAX_STRING = 64 << 10, /* longer strings are not names */
    MAX_GLOBAL = 512,      /* longer modules with a name in them are not functions */
    PROTOCOLS = 5
};

enum opcode {
    MARK = '(',
    STOP = '.',
    POP = '0',
    POP_MARK = '1',
    DUP = '2',
    BINBYTES = 'B',
    SHORT_BINBYTES = 'C',
    BINFLOAT = 'G',
    BININT = 'J',
    BININT1 = 'K',
    BININT2 = 'M',
    NONE = 'N',
    BINPERSID = 'Q',
    REDUCE = 'R',
    BINSTRING = 'T',
    SHORT_BINSTRING = 'U',
    BINUNICODE = 'X',
    EMPTY_LIST = ']',
    APPEND = 'a',
    BUILD = 'b',
    GLOBAL = 'c',
    DICT = 'd',
    EMPTY_DICT = '}',
    APPENDS = 'e',
    BINGET = 'h',
    LONG_BINGET = 'j',
    LIST = 'l',
    OBJ = 'o',
    BINPUT = 'q',
    LONG_BINPUT = 'r',
    SETITEM = 's',
    TUPLE = 't',
    EMPTY_TUPLE = ')',
    SETITEMS = 'u',
    PROTO = 0x80,
    NEWOBJ = 0x81,
    TUPLE1 = 0x85,
    TUPLE2 = 0x86,
    TUPLE3 = 0x87,
    NEWTRUE = 0x88,
    NEWFALSE = 0x89,
    LONG1 = 0x8a,
    SHORT_BINUNICODE = 0x8c,
    BINUNICODE8 = 0x8d,
    BINBYTES8 = 0x8e,
    EMPTY_SET = 0x8f,
    ADDITEMS = 0x90,
    FROZENSET = 0x91,
    NEWOBJ_EX = 0x92,
    STACK_GLOBAL = 0x93,
    MEMOIZE = 0x94,
    FRAME = 0x95,
    BYTEARRAY8 = 0x96
};

typedef struct zn_pickle_value value; /* a short name, since it is in nearly every line here */

static void refuse(struct zn_pickle *p, const struct zn_scan *s, const char *what) {
    if (p->status == ZIPNN_OK) p->status = zn_fail(p->err, ZIPNN_E_FORMAT, s ? s->off : ZN_NOWHERE, "pickle: %s", what);
}

/* ---- memory */

void *zn_pickle_grow(struct zn_pickle *p, struct zn_vector *v, size_t n, size_t each, size_t limit) {
    if (p->status != ZIPNN_OK) return NULL;
    if (n > limit || v->n > limit - n) {
        refuse(p, NULL, "more than any model needs");
        return NULL;
    }
    const size_t cap = v->cap;
    p->status = zn_grow(&p->alloc, &v->at, &v->cap, v->n + n, each, p->err);
    if (p->status == ZIPNN_OK) p->status = zn_work_keep(p->work, (v->cap - cap) * each, p->err);
    if (p->status != ZIPNN_OK) return NULL;
    void *room = (uint8_t *)v->at + v->n * each;
    v->n += n;
    return room;
}

size_t zn_pickle_keep(struct zn_pickle *p, const void *text, size_t len) {
    char *to = zn_pickle_grow(p, &p->text, len + 1, 1, MAX_TEXT);
    if (!to) return 0;
    if (len) memcpy(to, text, len);
    to[len] = '\0';
    return p->text.n - len - 1;
}

void zn_pickle_init(struct zn_pickle *p, const struct zn_plan *plan, zipnn_error *err) {
    *p = (struct zn_pickle){.alloc = plan->alloc, .work = plan->work, .err = err};
}

void zn_pickle_free(struct zn_pickle *p) {
    struct zn_vector *const all[] = {&p->stack, &p->marks, &p->memo,     &p->items,  &p->nodes,
                                     &p->runs,  &p->types, &p->storages, &p->arrays, &p->text};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        zn_free(&p->alloc, all[i]->at);
        *all[i] = (struct zn_vector){0};
    }
}

/* ---- containers */

void zn_pickle_append(struct zn_pickle *p, uint64_t node, enum zn_pickle_run_kind kind, const value *values, size_t n) {
    if (n == 0) return;
    const size_t at = p->items.n;
    value *items = zn_pickle_grow(p, &p->items, n, sizeof *items, MAX_ITEMS);
    struct zn_pickle_run *run = items ? zn_pickle_grow(p, &p->runs, 1, sizeof *run, MAX_NODES) : NULL;
    if (!run) return;
    memcpy(items, values, n * sizeof *items);
    *run = (struct zn_pickle_run){at, (uint32_t)n, 0, kind};
    struct zn_pickle_node *owner = (struct zn_pickle_node *)p->nodes.at + node;
    if (owner->last_run)
        ((struct zn_pickle_run *)p->runs.at)[owner->last_run - 1].next = (uint32_t)p->runs.n;
    else
        owner->first_run = (uint32_t)p->runs.n;
    owner->last_run = (uint32_t)p->runs.n;
}

value zn_pickle_node_of(struct zn_pickle *p, enum zn_pickle_run_kind kind, const value *values, size_t n) {
    const uint64_t index = p->nodes.n;
    struct zn_pickle_node *node = zn_pickle_grow(p, &p->nodes, 1, sizeof *node, MAX_NODES);
    if (!node) return (value){0};
    *node = (struct zn_pickle_node){.entered = false};
    zn_pickle_append(p, index, kind, values, n);
    return (value){ZN_PICKLE_NODE, 0, index};
}

const value *zn_pickle_items(const struct zn_pickle *p, value v, size_t least, size_t *n) {
    *n = 0;
    if (v.kind != ZN_PICKLE_NODE) return NULL;
    const struct zn_pickle_node *node = (const struct zn_pickle_node *)p->nodes.at + v.what;
    const struct zn_pickle_run *run = node->first_run ? (struct zn_pickle_run *)p->runs.at + node->first_run - 1 : NULL;
    if (!run || run->n < least) return NULL;
    *n = run->n;
    return (const value *)p->items.at + run->items;
}

value zn_pickle_root_item(const struct zn_pickle *p, size_t *run, size_t *i) {
    const value none = {0};
    if (*run == 0 && *i == 0) {
        if (p->root.kind != ZN_PICKLE_NODE) return none;
        *run = ((const struct zn_pickle_node *)p->nodes.at)[p->root.what].first_run;
    }
    while (*run) {
        const struct zn_pickle_run *r = (const struct zn_pickle_run *)p->runs.at + *run - 1;
        if (*i < r->n) return ((const value *)p->items.at)[r->items + (*i)++];
        *run = r->next;
        *i = 0;
        if (*run == 0) *i = 1; /* never the start again */
    }
    return none;
}

/* ---- the stack */

static void push(struct zn_pickle *p, value v) {
    value *top = zn_pickle_grow(p, &p->stack, 1, sizeof v, MAX_STACK);
    if (top) *top = v;
}

/* Returns where the values above the last mark begin; without a mark, the bottom of the stack. */
static size_t floor_of(const struct zn_pickle *p) {
    return p->marks.n ? ((const size_t *)p->marks.at)[p->marks.n - 1] : 0;
}

static value pop(struct zn_pickle *p) {
    if (p->stack.n <= floor_of(p)) {
        refuse(p, NULL, "the stack is empty");
        return (value){0};
    }
    return ((const value *)p->stack.at)[--p->stack.n];
}

static void push_mark(struct zn_pickle *p) {
    size_t *mark = zn_pickle_grow(p, &p->marks, 1, sizeof *mark, MAX_STACK);
    if (mark) *mark = p->stack.n;
}

/* Takes the values above the last mark off the stack. They stay in memory until the next push. */
static const value *pop_to_mark(struct zn_pickle *p, size_t *n) {
    *n = 0;
    if (p->marks.n == 0) {
        refuse(p, NULL, "no mark");
        return NULL;
    }
    const size_t at = floor_of(p);
    *n = p->stack.n - at;
    p->stack.n = at;
    p->marks.n--;
    return p->stack.at ? (const value *)p->stack.at + at : NULL;
}

static void push_tuple(struct zn_pickle *p, size_t n) {
    if (p->stack.n - floor_of(p) < n) {
        refuse(p, NULL, "the stack is empty");
        return;
    }
    p->stack.n -= n;
    const value *values = n ? (const value *)p->stack.at + p->stack.n : NULL;
    push(p, zn_pickle_node_of(p, ZN_RUN_ITEMS, values, n));
}

static void push_marked(struct zn_pickle *p, enum zn_pickle_run_kind kind) {
    size_t n;
    const value *values = pop_to_mark(p, &n);
    push(p, zn_pickle_node_of(p, kind, values, n));
}

/* Adds values to the container below them, whatever it is: sets pairs in it, or appends items. */
static void add_to_top(struct zn_pickle *p, enum zn_pickle_run_kind kind, const value *values, size_t n) {
    if (p->stack.n <= floor_of(p)) {
        refuse(p, NULL, "the stack is empty");
        return;
    }
    const value top = ((const value *)p->stack.at)[p->stack.n - 1];
    if (p->status == ZIPNN_OK && top.kind == ZN_PICKLE_NODE) zn_pickle_append(p, top.what, kind, values, n);
}

static void add_one(struct zn_pickle *p, enum zn_pickle_run_kind kind) {
    value v[2] = {{0}, {0}};
    const size_t n = kind == ZN_RUN_PAIRS ? 2 : 1;
    for (size_t i = n; i-- > 0;) v[i] = pop(p);
    if (p->status == ZIPNN_OK) add_to_top(p, kind, v, n);
}

static void add_marked(struct zn_pickle *p, enum zn_pickle_run_kind kind) {
    size_t n;
    const value *values = pop_to_mark(p, &n);
    if (p->status == ZIPNN_OK) add_to_top(p, kind, values, n);
}

/* ---- the memo */

static void put(struct zn_pickle *p, uint64_t index) {
    if (p->stack.n == 0) {
        refuse(p, NULL, "the stack is empty");
        return;
    }
    /* Numbers are given in order, at most one per opcode. An optimizer may have removed some. */
    if (index > p->n_opcodes) {
        refuse(p, NULL, "the memo has holes");
        return;
    }
    if (index >= p->memo.n) {
        const size_t n = (size_t)index + 1 - p->memo.n;
        value *fresh = zn_pickle_grow(p, &p->memo, n, sizeof *fresh, MAX_MEMO);
        if (!fresh) return;
        memset(fresh, 0, n * sizeof *fresh);
    }
    ((value *)p->memo.at)[index] = ((const value *)p->stack.at)[p->stack.n - 1];
}

static void get(struct zn_pickle *p, uint64_t index) {
    if (index >= p->memo.n)
        refuse(p, NULL, "the memo has no such entry");
    else
        push(p, ((const value *)p->memo.at)[index]);
}

/* ---- atoms */

static value int_of(int64_t i) {
    return (value){ZN_PICKLE_INT, 0, (uint64_t)i};
}

static void push_long(struct zn_pickle *p, struct zn_scan *s) {
    const size_t n = zn_scan_u8(s);
    const uint8_t *bytes = zn_scan_take(s, n);
    uint64_t i = n && bytes && bytes[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t b = ZN_MIN(n, (size_t)8); bytes && b-- > 0;) i = i << 8 | bytes[b];
    push(p, n <= 8 ? int_of((int64_t)i) : (value){0});
}

static bool take_bytes(struct zn_scan *s, char *to, size_t len) {
    for (size_t i = 0, n; i < len; i += n) {
        n = ZN_MIN(len - i, (size_t)ZN_SCAN_MAX);
        const uint8_t *bytes = zn_scan_take(s, n);
        if (!bytes) return false;
        memcpy(to + i, bytes, n);
    }
    return true;
}

/* Spells out zeros in the text that was kept last, as names of the plan do: they would end it. Returns its length. */
static size_t spell_zeros(struct zn_pickle *p, size_t at, size_t len) {
    static const char zero[] = "\\u0000";
    size_t n = 0;
    for (size_t i = 0; i < len; i++) n += zn_pickle_text(p, at)[i] == '\0';
    if (n == 0 || !zn_pickle_grow(p, &p->text, n * (sizeof zero - 2), 1, MAX_TEXT)) return len;
    char *text = (char *)p->text.at + at, *to = text + p->text.n - at - 1;
    for (size_t i = len; i-- > 0;) {
        const size_t each = text[i] ? 1 : sizeof zero - 1;
        to -= each;
        memmove(to, text[i] ? &text[i] : zero, each);
    }
    ((char *)p->text.at)[p->text.n - 1] = '\0';
    return p->text.n - at - 1;
}

/* Pushes what may be an array's bytes. Only their place is of interest, which is kept as two ints. */
static void push_place(struct zn_pickle *p, struct zn_scan *s, uint64_t len, enum zn_pickle_kind kind) {
    const value place[2] = {int_of((int64_t)s->off), int_of((int64_t)len)};
    const uint64_t at = p->items.n;
    value *items = zn_pickle_grow(p, &p->items, 2, sizeof *items, MAX_ITEMS);
    if (items) memcpy(items, place, sizeof place);
    push(p, (value){(uint8_t)kind, 0, at});
    zn_scan_skip(s, len);
}

static void push_bytes(struct zn_pickle *p, struct zn_scan *s, uint64_t len) {
    push_place(p, s, len, ZN_PICKLE_BYTES);
}

static void push_text(struct zn_pickle *p, struct zn_scan *s, uint64_t len) {
    if (len > MAX_STRING) {
        push_place(p, s, len, ZN_PICKLE_LONG_TEXT);
        return;
    }
    const size_t at = p->text.n;
    char *to = zn_pickle_grow(p, &p->text, (size_t)len + 1, 1, MAX_TEXT);
    if (!to || !take_bytes(s, to, (size_t)len)) return;
    to[len] = '\0';
    const size_t spelled = spell_zeros(p, at, (size_t)len);
    push(p, (value){ZN_PICKLE_TEXT, (uint32_t)spelled, at});
}

static void push_string(struct zn_pickle *p, struct zn_scan *s, uint32_t len) {
    if (len > MAX_STRING)
        push_bytes(p, s, len);
    else
        push_text(p, s, len);
}

/* Pushes a global from two lines of text: a module and a name in it. */
static void push_global(struct zn_pickle *p, struct zn_scan *s) {
    char text[MAX_GLOBAL];
    size_t len = 0;
    for (unsigned lines = 0; lines < 2 && len < sizeof text;) {
        const uint8_t c = zn_scan_u8(s);
        if (!zn_scan_ok(s) || c == '\0') break;
        if (c == '\n' && ++lines == 2) {
            push(p, (value){ZN_PICKLE_GLOBAL, (uint32_t)len, zn_pickle_keep(p, text, len)});
            return;
        }
        text[len++] = c == '\n' ? '.' : (char)c;
    }
    refuse(p, s, "a global without an end");
}

static void push_stack_global(struct zn_pickle *p) {
    const value name = pop(p), module = pop(p);
    if (name.kind != ZN_PICKLE_TEXT || module.kind != ZN_PICKLE_TEXT || (uint64_t)name.len + module.len >= MAX_GLOBAL) {
        push(p, (value){0});
        return;
    }
    char text[MAX_GLOBAL];
    memcpy(text, zn_pickle_text(p, (size_t)module.what), module.len);
    text[module.len] = '.';
    memcpy(text + module.len + 1, zn_pickle_text(p, (size_t)name.what), name.len);
    const uint32_t len = module.len + 1 + name.len;
    push(p, (value){ZN_PICKLE_GLOBAL, len, zn_pickle_keep(p, text, len)});
}

/* ---- opcodes; each function returns whether the opcode is one of its own */

static bool do_atom(struct zn_pickle *p, struct zn_scan *s, uint8_t op) {
    switch (op) {
        case NONE:
            push(p, (value){0});
            return true;
        case NEWTRUE:
        case NEWFALSE:
            push(p, int_of(op == NEWTRUE));
            return true;
        case BININT:
            push(p, int_of((int32_t)zn_scan_u32(s)));
            return true;
        case BININT1:
            push(p, int_of(zn_scan_u8(s)));
            return true;
        case BININT2:
            push(p, int_of(zn_scan_u16(s)));
            return true;
        case LONG1:
            push_long(p, s);
            return true;
        case BINFLOAT:
            zn_scan_skip(s, 8);
            push(p, (value){0});
            return true;
        case BINUNICODE:
            push_text(p, s, zn_scan_u32(s));
            return true;
        case BINSTRING: /* Python 2 uses it for names and for bytes */
            push_string(p, s, zn_scan_u32(s));
            return true;
        case SHORT_BINSTRING:
        case SHORT_BINUNICODE:
            push_text(p, s, zn_scan_u8(s));
            return true;
        case BINUNICODE8:
            push_text(p, s, zn_scan_u64(s));
            return true;
        case BINBYTES:
            push_bytes(p, s, zn_scan_u32(s));
            return true;
        case SHORT_BINBYTES:
            push_bytes(p, s, zn_scan_u8(s));
            return true;
        case BINBYTES8:
        case BYTEARRAY8:
            push_bytes(p, s, zn_scan_u64(s));
            return true;
        case GLOBAL:
            push_global(p, s);
            return true;
        case STACK_GLOBAL:
            push_stack_global(p);
            return true;
        default:
            return false;
    }
}

static bool do_container(struct zn_pickle *p, uint8_t op) {
    switch (op) {
        case EMPTY_TUPLE:
        case EMPTY_LIST:
        case EMPTY_SET:
            push(p, zn_pickle_node_of(p, ZN_RUN_ITEMS, NULL, 0));
            return true;
        case EMPTY_DICT:
            push(p, zn_pickle_node_of(p, ZN_RUN_PAIRS, NULL, 0));
            return true;
        case TUPLE1:
        case TUPLE2:
        case TUPLE3:
            push_tuple(p, op - TUPLE1 + 1u);
            return true;
        case TUPLE:
        case LIST:
        case FROZENSET:
            push_marked(p, ZN_RUN_ITEMS);
            return true;
        case DICT:
            push_marked(p, ZN_RUN_PAIRS);
            return true;
        case APPEND:
            add_one(p, ZN_RUN_ITEMS);
            return true;
        case SETITEM:
            add_one(p, ZN_RUN_PAIRS);
            return true;
        case APPENDS:
        case ADDITEMS:
            add_marked(p, ZN_RUN_ITEMS);
            return true;
        case SETITEMS:
            add_marked(p, ZN_RUN_PAIRS);
            return true;
        default:
            return false;
    }
}

static void make_object(struct zn_pickle *p, uint8_t op) {
    if (op == OBJ) {
        push_marked(p, ZN_RUN_PARTS);
        return;
    }
    if (op == NEWOBJ_EX) pop(p); /* keyword arguments */
    const value args = pop(p), callable = pop(p);
    const bool known = op == REDUCE && p->status == ZIPNN_OK;
    push(p, known ? zn_pickle_call(p, callable, args) : zn_pickle_node_of(p, ZN_RUN_PARTS, &args, 1));
}

static bool do_object(struct zn_pickle *p, uint8_t op) {
    switch (op) {
        case REDUCE:
        case NEWOBJ:
        case NEWOBJ_EX:
        case OBJ:
            make_object(p, op);
            return true;
        case BUILD: {
            const value state = pop(p), object = pop(p);
            if (p->status == ZIPNN_OK) zn_pickle_build(p, object, state);
            push(p, object);
            return true;
        }
        case BINPERSID: {
            const value id = pop(p);
            if (p->status == ZIPNN_OK) push(p, zn_pickle_persistent(p, id));
            return true;
        }
        default:
            return false;
    }
}

static bool do_stack(struct zn_pickle *p, struct zn_scan *s, uint8_t op) {
    size_t n;
    switch (op) {
        case PROTO:
            if (zn_scan_u8(s) > PROTOCOLS) refuse(p, s, "a protocol of the future");
            return true;
        case FRAME:
            zn_scan_skip(s, 8);
            return true;
        case MARK:
            push_mark(p);
            return true;
        case POP:
            if (p->marks.n && p->stack.n == floor_of(p))
                pop_to_mark(p, &n);
            else
                pop(p);
            return true;
        case POP_MARK:
            pop_to_mark(p, &n);
            return true;
        case DUP: {
            const value top = pop(p);
            push(p, top);
            push(p, top);
            return true;
        }
        case BINPUT:
            put(p, zn_scan_u8(s));
            return true;
        case LONG_BINPUT:
            put(p, zn_scan_u32(s));
            return true;
        case MEMOIZE:
            put(p, p->memo.n);
            return true;
        case BINGET:
            get(p, zn_scan_u8(s));
            return true;
        case LONG_BINGET:
            get(p, zn_scan_u32(s));
            return true;
        default:
            return false;
    }
}

zipnn_status zn_pickle_read(struct zn_pickle *p, struct zn_scan *s) {
    zn_pickle_keep(p, "", 0); /* offset 0 means no name */
    for (; p->status == ZIPNN_OK; p->n_opcodes++) {
        const uint8_t op = zn_scan_u8(s);
        if (op == STOP) break;
        if (p->n_opcodes == MAX_OPCODES) refuse(p, s, "more opcodes than any model needs");
        if (!zn_scan_ok(s)) break;
        if (!do_atom(p, s, op) && !do_container(p, op) && !do_object(p, op) && !do_stack(p, s, op))
            refuse(p, s, "an opcode that models do not use");
    }
    if (s->status != ZIPNN_OK) return s->status;
    if (!zn_scan_ok(s)) refuse(p, s, "the end is missing");
    p->root = pop(p);
    return p->status;
}
