#include "readers/json.h"

bool zn_json_is_space(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

uint8_t zn_json_peek(struct zn_cur *c) {
    while (c->at < c->end && zn_json_is_space(*c->at)) c->at++;
    return c->at < c->end ? *c->at : 0;
}

bool zn_json_take_char(struct zn_cur *c, char expected) {
    if (zn_json_peek(c) != (uint8_t)expected) return false;
    c->at++;
    return true;
}

bool zn_json_take_word(struct zn_cur *c, const char *word) {
    const size_t len = strlen(word);
    zn_json_peek(c);
    if (zn_cur_left(c) < len || memcmp(c->at, word, len) != 0) return false;
    c->at += len;
    return true;
}

/* ---- strings */

static bool is_hex(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Reads what follows a backslash. */
static bool take_escape(struct zn_cur *c) {
    const uint8_t kind = zn_cur_u8(c);
    if (kind != 'u') return kind && memchr("\"\\/bfnrt", kind, 8);
    const uint8_t *digits = zn_cur_take(c, 4);
    return digits && is_hex(digits[0]) && is_hex(digits[1]) && is_hex(digits[2]) && is_hex(digits[3]);
}

bool zn_json_take_string(struct zn_cur *c, struct zn_json_string *string) {
    if (!zn_json_take_char(c, '"')) return false;
    *string = (struct zn_json_string){c->at, 0, true};
    for (;;) {
        const uint8_t ch = zn_cur_u8(c);
        if (ch < ' ') return false; /* a control character, or the end */
        if (ch == '"') break;
        if (ch != '\\') continue;
        string->plain = false;
        if (!take_escape(c)) return false;
    }
    string->len = (size_t)(c->at - string->at) - 1;
    return true;
}

/* Returns the bytes of the character at `at`; 0 when it is invalid: longer than needed, half of a pair, or above
 * U+10FFFF. */
static size_t length_of_character(const uint8_t *at, size_t left) {
    const uint8_t first = at[0];
    const size_t len = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (len > left) return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if ((first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] >= 0xa0)) return 0;
    if ((first == 0xf0 && at[1] < 0x90) || (first == 0xf4 && at[1] >= 0x90)) return 0;
    return len;
}

bool zn_json_is_utf8(const uint8_t *text, size_t len) {
    for (size_t i = 0, n; i < len; i += n)
        if ((n = length_of_character(text + i, len - i)) == 0) return false;
    return true;
}

/* ---- numbers */

static bool is_digit(const struct zn_cur *c) {
    return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static bool take_digits(struct zn_cur *c) {
    if (!is_digit(c)) return false;
    while (is_digit(c)) c->at++;
    return true;
}

bool zn_json_take_u64(struct zn_cur *c, uint64_t *value) {
    zn_json_peek(c);
    const uint8_t *start = c->at;
    if (!is_digit(c)) return false;
    *value = 0;
    for (; is_digit(c); c->at++)
        if (!zn_mul(*value, 10, value) || !zn_add(*value, *c->at - (uint64_t)'0', value)) return false;
    return (*start != '0' || c->at - start == 1) && (c->at == c->end || !memchr(".eE", *c->at, 3));
}

static bool skip_number(struct zn_cur *c) {
    if (c->at < c->end && *c->at == '-') c->at++;
    const uint8_t *whole = c->at;
    if (!take_digits(c) || (*whole == '0' && c->at - whole > 1)) return false;
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (!take_digits(c)) return false;
    }
    if (c->at == c->end || (*c->at != 'e' && *c->at != 'E')) return true;
    c->at++;
    if (c->at < c->end && (*c->at == '+' || *c->at == '-')) c->at++;
    return take_digits(c);
}

/* ---- any value */

/* Skips a value that contains no other values. */
static bool skip_atom(struct zn_cur *c) {
    struct zn_json_string unused;
    switch (zn_json_peek(c)) {
        case '"':
            return zn_json_take_string(c, &unused);
        case 't':
            return zn_json_take_word(c, "true");
        case 'f':
            return zn_json_take_word(c, "false");
        case 'n':
            return zn_json_take_word(c, "null");
        default:
            return skip_number(c);
    }
}

/* The open brackets, by the brackets that close them. */
struct brackets {
    void *at;
    size_t n, cap;
};

static zipnn_status open_bracket(struct brackets *b, char closing, const struct zn_plan *plan, zipnn_error *err) {
    const size_t cap = b->cap;
    ZN_TRY(zn_grow(&plan->alloc, &b->at, &b->cap, b->n + 1, 1, err));
    ZN_TRY(zn_work_keep(plan->work, b->cap - cap, err));
    ((char *)b->at)[b->n++] = closing;
    return ZIPNN_OK;
}

/* Goes down to the first value that contains no other values, and skips it. */
static zipnn_status descend(struct zn_cur *c, struct brackets *b, const struct zn_plan *plan, zipnn_error *err) {
    struct zn_json_string unused;
    for (;;) {
        const uint8_t ch = zn_json_peek(c);
        if (ch != '{' && ch != '[') return skip_atom(c) ? ZIPNN_OK : ZIPNN_E_FORMAT;
        c->at++;
        const char closing = ch == '{' ? '}' : ']';
        if (zn_json_take_char(c, closing)) return ZIPNN_OK;
        ZN_TRY(open_bracket(b, closing, plan, err));
        if (ch == '{' && !(zn_json_take_string(c, &unused) && zn_json_take_char(c, ':'))) return ZIPNN_E_FORMAT;
    }
}

/* Closes what ends after a value, up to a comma and the key that may follow it. */
static bool ascend(struct zn_cur *c, struct brackets *b) {
    struct zn_json_string unused;
    while (b->n > 0) {
        const char closing = ((const char *)b->at)[b->n - 1];
        if (zn_json_take_char(c, ','))
            return closing == ']' || (zn_json_take_string(c, &unused) && zn_json_take_char(c, ':'));
        if (!zn_json_take_char(c, closing)) return false;
        b->n--;
    }
    return true;
}

zipnn_status zn_json_skip(struct zn_cur *c, const struct zn_plan *plan, zipnn_error *err) {
    struct brackets b = {NULL, 0, 0};
    zipnn_status st;
    do {
        st = descend(c, &b, plan, err);
        if (st == ZIPNN_OK && !ascend(c, &b)) st = ZIPNN_E_FORMAT;
    } while (st == ZIPNN_OK && b.n > 0);
    zn_free(&plan->alloc, b.at);
    return st;
}
