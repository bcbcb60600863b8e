/* The nearest texts of the pool, however far: by length, then by sketch, then by measuring.
 *
 * Texts of one length stand on one shelf. A shelf is skipped when even a text that is a part of the other could not be among
 * the best any more; on a shelf, the bits in which two sketches differ bound what is in common from above.
 */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 256   /* sketches that are compared before any text is measured */
#define EIGHT 8     /* sketches that are compared at a time where the processor can */
#define SHORT 64    /* texts in a token's list that are worth measuring first, to begin with a good bound */

typedef struct {
    uint32_t before;            /* only places below this one */
    uint32_t count, wanted;
    uint32_t *places;           /* the best so far, best first, of equals the earliest */
    int64_t *commons;
    double *scores;
    int failed;                 /* whether there was no memory */
} Nearest;

static int shelve(Pool *pool, const Query *query, uint32_t place) {
    uint32_t length = query->length;
    if (length >= pool->shelves_room) {
        uint32_t room = length + length / 2 + 16;
        Shelf *shelves = realloc(pool->shelves, room * sizeof *shelves);
        if (shelves) pool->shelves = shelves;
        uint32_t *filled = realloc(pool->filled, room * sizeof *filled);
        if (filled) pool->filled = filled;
        if (!shelves || !filled) return 0;
        memset(shelves + pool->shelves_room, 0, (room - pool->shelves_room) * sizeof *shelves);
        pool->shelves_room = room;
    }
    Shelf *shelf = &pool->shelves[length];
    if (!shelf->room) {
        uint32_t at = pool->filled_count++;
        for (; at > 0 && pool->filled[at - 1] > length; at--) pool->filled[at] = pool->filled[at - 1];
        pool->filled[at] = length;
    }
    if (shelf->count == shelf->room) {
        uint32_t room = (shelf->room + shelf->room / 2) / EIGHT * EIGHT + EIGHT;
        uint32_t *places = realloc(shelf->places, room * sizeof *places);
        if (!places) return 0;
        shelf->places = places;
        for (int word = 0; word < WIDTH; word++) {
            uint64_t *row = realloc(shelf->sketches[word], room * sizeof *row);
            if (!row) return 0;
            memset(row + shelf->room, 0, (room - shelf->room) * sizeof *row);
            shelf->sketches[word] = row;
        }
        shelf->room = room;
    }
    shelf->places[shelf->count] = place;
    for (int word = 0; word < WIDTH; word++) shelf->sketches[word][shelf->count] = query->sketch[word];
    shelf->count++;
    return 1;
}

/* Put the texts that were added since on their shelves. Returns 0 when there is no memory. */
EXPORTED int pool_shelve(Pool *pool, Query *query) {
    for (; pool->shelved < pool->count; pool->shelved++) {
        uint32_t place = pool->shelved;
        if (!read_text(pool, query, pool->tokens + pool->starts[place], length_of(pool, place))) return 0;
        if (query->length && !shelve(pool, query, place)) return 0;  /* without tokens there is nothing in common */
    }
    return 1;
}

static int full(const Nearest *nearest) { return nearest->count == nearest->wanted; }

/* The score that a text must at least have to be among the best. */
static double wanted_score(const Nearest *nearest) { return full(nearest) ? nearest->scores[nearest->count - 1] : 0.0; }

static void weigh(const Pool *pool, Query *query, uint32_t place, uint32_t length, int64_t needed, Nearest *nearest) {
    int64_t found = common(query, pool->tokens + pool->starts[place], length, needed);
    nearest->failed |= found == NO_MEMORY;
    if (found <= 0) return;
    double score = f_measure(found, query->length, length);
    uint32_t at = nearest->count;
    for (uint32_t i = 0; i < nearest->count; i++)
        if (nearest->places[i] == place) return;
    while (at > 0 && (nearest->scores[at - 1] < score || (nearest->scores[at - 1] == score && nearest->places[at - 1] > place)))
        at--;
    if (at == nearest->wanted) return;
    uint32_t last = full(nearest) ? nearest->count - 1 : nearest->count++;
    for (uint32_t i = last; i > at; i--) {
        nearest->places[i] = nearest->places[i - 1];
        nearest->commons[i] = nearest->commons[i - 1];
        nearest->scores[i] = nearest->scores[i - 1];
    }
    nearest->places[at] = place;
    nearest->commons[at] = found;
    nearest->scores[at] = score;
}

/* Begin with texts that share a rare token: the sooner the bound is good, the more is skipped. */
static void warm_up(const Pool *pool, Query *query, Nearest *nearest) {
    for (uint32_t i = 0, end = prefix_of(pool, query->length); i < end; i++) {
        uint32_t token = (uint32_t)query->order[i];
        if (token >= pool->vocabulary || (i && query->order[i] == query->order[i - 1])) continue;
        const List *list = &pool->lists[token];
        if (list->count > SHORT) break;
        for (uint32_t j = 0; j < list->count && list->places[j] < nearest->before; j++) {
            uint32_t place = list->places[j], length = length_of(pool, place);
            weigh(pool, query, place, length, needed_for(wanted_score(nearest) * (1 - HAIR) / 2, query->length, length), nearest);
        }
    }
}

FOR_EACH_PROCESSOR
static void compare_anywhere(const Shelf *shelf, uint32_t from, uint32_t count, const uint64_t *sketch, uint64_t *apart) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bits = 0;
        for (int word = 0; word < WIDTH; word++)
            bits += (uint64_t)__builtin_popcountll(shelf->sketches[word][from + i] ^ sketch[word]);
        apart[i] = bits;
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* Some processors count the bits of eight words at a time. Rows have room for whole eights. */
__attribute__((target("avx512f,avx512vpopcntdq")))
static void compare_in_eights(const Shelf *shelf, uint32_t from, uint32_t count, const uint64_t *sketch, uint64_t *apart) {
    for (uint32_t i = 0; i < count; i += EIGHT) {
        __m512i bits = _mm512_setzero_si512();
        for (int word = 0; word < WIDTH; word++) {
            __m512i row = _mm512_loadu_si512(shelf->sketches[word] + from + i);
            __m512i differing = _mm512_xor_si512(row, _mm512_set1_epi64((long long)sketch[word]));
            bits = _mm512_add_epi64(bits, _mm512_popcnt_epi64(differing));
        }
        _mm512_storeu_si512(apart + i, bits);
    }
}

static void compare_sketches(const Shelf *shelf, uint32_t from, uint32_t count, const uint64_t *sketch, uint64_t *apart) {
    if (__builtin_cpu_supports("avx512vpopcntdq"))
        compare_in_eights(shelf, from, count, sketch, apart);
    else
        compare_anywhere(shelf, from, count, sketch, apart);
}
#else
#define compare_sketches compare_anywhere
#endif

static void search_shelf(const Pool *pool, Query *query, uint32_t length, Nearest *nearest) {
    const Shelf *shelf = &pool->shelves[length];
    uint64_t apart[CHUNK];
    for (uint32_t from = 0; from < shelf->count && shelf->places[from] < nearest->before; from += CHUNK) {
        uint32_t count = shelf->count - from < CHUNK ? shelf->count - from : CHUNK;
        int64_t both = (int64_t)query->length + length;
        int64_t needed = needed_for(wanted_score(nearest) * (1 - HAIR) / 2, query->length, length);
        int64_t allowed = both - 2 * needed;
        if (allowed < 0) return;
        compare_sketches(shelf, from, count, query->sketch, apart);
        query->counters.visited += count;
        for (uint32_t i = 0; i < count; i++) {
            if ((int64_t)apart[i] > allowed) continue;
            uint32_t place = shelf->places[from + i];
            if (place >= nearest->before) return;
            weigh(pool, query, place, length, needed, nearest);
            needed = needed_for(wanted_score(nearest) * (1 - HAIR) / 2, query->length, length);
            allowed = both - 2 * needed;
        }
    }
}

static int worth_it(const Query *query, uint32_t length, const Nearest *nearest) {
    int64_t most = query->length < length ? query->length : length;
    return needed_for(wanted_score(nearest) * (1 - HAIR) / 2, query->length, length) <= most;
}

/* Shelves from the query's own length outwards, on the side where more can be expected. */
static void search_shelves(const Pool *pool, Query *query, Nearest *nearest) {
    int64_t above = 0, below;
    while (above < pool->filled_count && pool->filled[above] < query->length) above++;
    below = above - 1;
    while (below >= 0 || above < pool->filled_count) {
        double shorter = below >= 0 ? (double)pool->filled[below] / query->length : 0;
        double longer = above < pool->filled_count ? (double)query->length / pool->filled[above] : 0;
        uint32_t length = longer >= shorter ? pool->filled[above++] : pool->filled[below--];
        if (!worth_it(query, length, nearest)) return;
        search_shelf(pool, query, length, nearest);
    }
}

/* Where fewer than wanted have anything in common with the text, the earliest of the others follow. */
static void fill_up(const Pool *pool, Nearest *nearest) {
    uint32_t with = nearest->count;
    for (uint32_t place = 0; place < pool->count && place < nearest->before && !full(nearest); place++) {
        int known = 0;
        for (uint32_t i = 0; i < with; i++) known |= nearest->places[i] == place;
        if (known) continue;
        nearest->places[nearest->count] = place;
        nearest->commons[nearest->count] = 0;
        nearest->scores[nearest->count++] = 0.0;
    }
}

/* The `wanted` nearest texts of the pool to each of these, nearest first, of equals the earliest. Text i is compared with the
 * places below before[i]. Its results stand from i * wanted on in `places` and `commons`; counts[i] says how many there are.
 * Reads the pool only; `pool_shelve` comes first. Returns 0 when there is no memory. */
EXPORTED int pool_nearest(const Pool *pool, Query *query, const int32_t *tokens, const int64_t *starts, int64_t count,
                          const uint32_t *before, uint32_t wanted, uint32_t *places, int64_t *commons, uint32_t *counts) {
    double *scores = malloc((wanted + 1) * sizeof *scores);
    if (!scores) return 0;
    for (int64_t i = 0; i < count; i++) {
        Nearest nearest = {before[i], 0, wanted, places + i * wanted, commons + i * wanted, scores, 0};
        if (!read_text(pool, query, tokens + starts[i], (uint32_t)(starts[i + 1] - starts[i])) || !mask_text(query)) {
            free(scores);
            return 0;
        }
        query->counters.queries++;
        if (query->length && wanted) {
            warm_up(pool, query, &nearest);
            search_shelves(pool, query, &nearest);
        }
        if (nearest.failed) {
            free(scores);
            return 0;
        }
        fill_up(pool, &nearest);
        counts[i] = nearest.count;
    }
    free(scores);
    return 1;
}

/* What the text has in common with each text of the pool that stands before `before`. Returns 0 when there is no memory. */
EXPORTED int pool_commons(const Pool *pool, Query *query, const int32_t *tokens, int64_t length, uint32_t before,
                          int64_t *commons) {
    if (!read_text(pool, query, tokens, (uint32_t)length) || !mask_text(query)) return 0;
    for (uint32_t place = 0; place < pool->count && place < before; place++) {
        commons[place] = length ? common(query, pool->tokens + pool->starts[place], length_of(pool, place), 0) : 0;
        if (commons[place] == NO_MEMORY) return 0;
    }
    return 1;
}
