/* One text: its tokens in order of rarity, its sketch, and the length of its common subsequence with another one. */
#include "kernel.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "this machine does not round each floating-point operation as Python does; the portable engine is used instead"
#endif

#define BITS 64
#define FEW 24    /* up to this many values, insertion sort is faster */

void *grown(void *items, size_t *room, size_t wanted, size_t size) {
    if (wanted <= *room) return items;
    size_t larger = *room + *room / 2 + 16;
    if (larger < wanted) larger = wanted;
    if (larger > SIZE_MAX / size) return NULL;
    void *moved = realloc(items, larger * size);
    if (moved) *room = larger;
    return moved;
}

static int descending(const void *one, const void *other) {
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a < b) - (a > b);
}

void sort_descending(uint64_t *values, uint32_t count) {
    if (count > FEW) {
        qsort(values, count, sizeof *values, descending);
        return;
    }
    for (uint32_t i = 1; i < count; i++) {
        uint64_t value = values[i];
        uint32_t at = i;
        for (; at > 0 && values[at - 1] < value; at--) values[at] = values[at - 1];
        values[at] = value;
    }
}

/* A sketch flips one bit for each token. The second `the` of a text counts as another token than the first. So two sketches
 * differ in at most as many bits as there are tokens that only one of the two texts has. */
static void make_sketch(Query *query) {
    const uint64_t *order = query->order;
    uint64_t occurrence = 0, *sketch = query->sketch;
    query->different = 0;
    memset(sketch, 0, sizeof query->sketch);
    for (uint32_t i = 0; i < query->length; i++) {
        occurrence = i && order[i] == order[i - 1] ? occurrence + 1 : 0;
        query->different += !occurrence;
        uint64_t hash = ((uint32_t)order[i] + 1) * 0x9E3779B97F4A7C15u + occurrence * 0xD6E8FEB86659FD93u;
        hash ^= hash >> 32;
        hash *= 0xD6E8FEB86659FD93u;
        hash >>= 64 - 9;
        sketch[hash / BITS % WIDTH] ^= 1ull << (hash % BITS);
    }
    query->folded = 0;
    for (int word = 0; word < WIDTH; word++) query->folded ^= sketch[word];
}

static int make_tables(Query *query, uint32_t vocabulary) {
    if (vocabulary <= query->tables_room) return 1;
    size_t room = (size_t)vocabulary + vocabulary / 4 + 64;
    uint64_t *mask = calloc(room, sizeof *mask);
    uint32_t *slot = calloc(room, sizeof *slot);
    if (!mask || !slot) {
        free(mask);
        free(slot);
        return 0;
    }
    free(query->mask);
    free(query->slot);
    query->mask = mask;
    query->slot = slot;
    query->tables_room = (uint32_t)room;
    return 1;
}

/* Make the query one for this text. Return 0 when memory runs out. */
int read_text(const Pool *pool, Query *query, const int32_t *tokens, uint32_t length) {
    unmask_text(query);
    uint64_t *order = grown(query->order, &query->order_room, length, sizeof *order);
    if (!order && length) return 0;
    query->order = order;
    uint32_t vocabulary = pool->vocabulary;
    for (uint32_t i = 0; i < length; i++) {
        uint32_t token = (uint32_t)tokens[i];
        uint32_t weight = token < pool->vocabulary ? pool->weights[token] : token;
        order[i] = (uint64_t)weight << 32 | token;
        if (token >= vocabulary) vocabulary = token + 1;
    }
    sort_descending(order, length);
    query->tokens = tokens;
    query->length = length;
    query->words = (length + BITS - 1) / BITS;
    make_sketch(query);
    return make_tables(query, vocabulary);
}

/* Record the positions of each token in the text, which is done only before a comparison. Return 0 when memory runs out. */
int mask_text(Query *query) {
    if (query->masked) return 1;
    if (query->words <= 1) {
        for (uint32_t i = 0; i < query->length; i++) query->mask[query->tokens[i]] |= 1ull << i;
    } else if (query->words <= MOST_WORDS) {
        size_t words = query->words, wanted = ((size_t)query->different + 1) * words;
        uint64_t *rows = grown(query->rows, &query->rows_room, wanted + words, sizeof *rows);
        if (!rows) return 0;
        query->rows = rows;
        query->column = rows + wanted;
        uint32_t used = 1;
        memset(rows, 0, words * sizeof *rows);
        for (uint32_t i = 0; i < query->length; i++) {
            uint32_t *slot = &query->slot[query->tokens[i]];
            if (!*slot) {
                *slot = used++;
                memset(rows + *slot * words, 0, words * sizeof *rows);
            }
            rows[*slot * words + i / BITS] |= 1ull << (i % BITS);
        }
    }
    query->masked = 1;
    return 1;
}

void unmask_text(Query *query) {
    if (!query->masked) return;
    for (uint32_t i = 0; i < query->length; i++) {  /* by `order`, because the caller's tokens may be freed by now */
        query->mask[(uint32_t)query->order[i]] = 0;
        query->slot[(uint32_t)query->order[i]] = 0;
    }
    query->masked = 0;
}

/* Do as `common_narrow` for a text of several words, with a carry from each word to the next. */
FOR_EACH_PROCESSOR
static int64_t common_wide(Query *query, const int32_t *other, uint32_t length, int64_t needed) {
    const uint32_t *slot = query->slot;
    const size_t words = query->words;
    uint64_t *column = query->column;
    int64_t found = 0, spare = (int64_t)length - needed;
    for (uint32_t i = 0; i < length && spare >= 0; i++) spare -= !slot[other[i]];
    if (spare < 0) return -1;
    memset(column, 0xFF, words * sizeof *column);
    for (uint32_t i = 0; i < length;) {
        uint32_t until = length - i > STEPS ? i + STEPS : length;
        for (; i < until; i++) {
            if (!slot[other[i]]) continue;
            const uint64_t *row = query->rows + slot[other[i]] * words;
            uint64_t carry = 0;
            for (size_t word = 0; word < words; word++) {
                uint64_t old = column[word], both = old & row[word];
                uint64_t sum = old + both, carried = sum + carry;
                carry = (sum < old) | (carried < sum);
                column[word] = carried | (old - both);
            }
        }
        found = 0;
        for (size_t word = 0; word < words; word++) found += __builtin_popcountll(~column[word]);
        if (found + (int64_t)(length - i) < needed) return -1;
    }
    return found;
}

/* Do as `common_wide` for texts so long that their rows would fill the memory. It takes one word of the column at a time over the
 * whole other text, and keeps the carries of each step for the next word. The common beginning and end count directly. */
static int64_t common_huge(Query *query, const int32_t *other, uint32_t length) {
    const int32_t *tokens = query->tokens;
    uint32_t rest = query->length;
    int64_t found = 0;
    for (; rest && length && tokens[0] == other[0]; tokens++, other++, rest--, length--) found++;
    for (; rest && length && tokens[rest - 1] == other[length - 1]; rest--, length--) found++;
    uint8_t *carries = grown(query->carries, &query->carries_room, (size_t)length + 1, sizeof *carries);
    if (!carries) return NO_MEMORY;
    query->carries = carries;
    memset(carries, 0, length);
    for (uint32_t first = 0; first < rest; first += BITS) {
        uint32_t last = rest - first < BITS ? rest : first + BITS;
        uint64_t column = ~0ull;
        for (uint32_t i = first; i < last; i++) query->mask[tokens[i]] |= 1ull << (i - first);
        for (uint32_t i = 0; i < length; i++) {
            uint64_t both = column & query->mask[other[i]], sum = column + both, carried = sum + carries[i];
            carries[i] = (sum < column) | (carried < sum);
            column = carried | (column - both);
        }
        for (uint32_t i = first; i < last; i++) query->mask[tokens[i]] = 0;
        found += __builtin_popcountll(~column);
    }
    return found;
}

/* Return the length of the longest common subsequence of the query and another text. Return -1 if it is less than `needed`, and
 * NO_MEMORY when memory runs out. */
FOR_EACH_PROCESSOR
int64_t common(Query *query, const int32_t *other, uint32_t length, int64_t needed) {
    int64_t found = query->words <= 1            ? common_narrow(query->mask, other, length, needed)
                    : query->words <= MOST_WORDS ? common_wide(query, other, length, needed)
                                                 : common_huge(query, other, length);
    if (found == NO_MEMORY) return found;
    if (found < 0 || found < needed) {
        query->counters.stopped += found < 0;
        query->counters.finished += found >= 0;
        return -1;
    }
    query->counters.finished++;
    return found;
}

/* Return the F-measure by the operations of `rouge_score`, in the same order. */
double f_measure(int64_t common, uint32_t length, uint32_t other) {
    if (common <= 0) return 0.0;
    double precision = (double)common / (double)length, recall = (double)common / (double)other;
    return 2 * precision * recall / (precision + recall);
}

EXPORTED Query *query_new(void) { return calloc(1, sizeof(Query)); }

EXPORTED void query_free(Query *query) {
    if (!query) return;
    free(query->order);
    free(query->mask);
    free(query->slot);
    free(query->rows);
    free(query->carries);
    free(query->stamps);
    free(query);
}

EXPORTED void query_counters(const Query *query, Counters *into) { *into = query->counters; }
