/* Find the nearest texts of the pool at any distance (after the top-k joins of Xiao et al., 2009).
 *
 * Here the lists have all tokens of each text, not only its prefix. They are searched from the query's rarest token on. A text
 * that is first met at the query's token i has none of the i tokens before it, so it shares at most m - i tokens. Once that is
 * too few to be among the best, no text that was not met yet can be among them, and the search ends. The rare tokens find the
 * near texts first, so that the long lists of frequent tokens are rarely reached.
 */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 512   /* texts of a list that are filtered before any of them is measured */

typedef struct {
    uint32_t before;            /* search only places below this one */
    uint32_t count, wanted;
    uint32_t *places;           /* the best so far, best first, equal ones by place */
    int64_t *commons;
    double *scores;
    int failed;                 /* whether memory ran out */
} Nearest;

static int append(Mentions *list, uint32_t place, uint32_t length, uint32_t position) {
    if (list->count == list->room) {
        size_t room = list->room + list->room / 2 + 4;
        if (room > UINT32_MAX) return 0;
        uint32_t *places = realloc(list->places, room * sizeof *places);
        if (places) list->places = places;
        uint16_t *lengths = realloc(list->lengths, room * sizeof *lengths);
        if (lengths) list->lengths = lengths;
        uint16_t *positions = realloc(list->positions, room * sizeof *positions);
        if (positions) list->positions = positions;
        if (!places || !lengths || !positions) return 0;
        list->room = (uint32_t)room;
    }
    list->places[list->count] = place;
    list->lengths[list->count] = length < SATURATED ? (uint16_t)length : SATURATED;
    list->positions[list->count++] = position < SATURATED ? (uint16_t)position : SATURATED;
    return 1;
}

static int mention(Pool *pool, const Query *query, uint32_t place) {
    for (uint32_t i = 0; i < query->length; i++) {
        if (i && query->order[i] == query->order[i - 1]) continue;
        if (!append(&pool->mentions[(uint32_t)query->order[i]], place, query->length, i)) return 0;
    }
    memcpy(pool->sketches + (size_t)place * WIDTH, query->sketch, sizeof query->sketch);
    return 1;
}

/* Add the texts that are new since the last call to the lists of all their tokens. Return 0 when memory runs out. */
EXPORTED int pool_mention(Pool *pool, Query *query) {
    if (pool->broken) return 0;
    if (pool->mentioned_order != pool->orders) forget_mentions(pool, 0);
    pool->mentioned_order = pool->orders;
    size_t had = pool->mentions_room, room = had;
    Mentions *mentions = grown(pool->mentions, &room, pool->vocabulary, sizeof *mentions);
    if (!mentions && pool->vocabulary) return 0;
    if (room > had) memset(mentions + had, 0, (room - had) * sizeof *mentions);
    pool->mentions = mentions;
    pool->mentions_room = (uint32_t)room;
    uint64_t *sketches = grown(pool->sketches, &pool->sketches_room, (size_t)pool->count * WIDTH, sizeof *sketches);
    if (!sketches && pool->count) return 0;
    pool->sketches = sketches;
    for (; pool->mentioned < pool->count; pool->mentioned++) {
        uint32_t place = pool->mentioned;
        if (!read_text(pool, query, pool->tokens + pool->starts[place], length_of(pool, place)) || !mention(pool, query, place)) {
            forget_mentions(pool, place);
            return 0;
        }
    }
    return 1;
}

/* Return half the least score of a text among the best, slightly reduced. */
static double half_wanted(const Nearest *nearest) {
    return nearest->count < nearest->wanted ? 0.0 : nearest->scores[nearest->count - 1] * (1 - SLACK) / 2;
}

/* Insert a text into the best, if it is one of them. */
static void rank(uint32_t place, int64_t found, double score, Nearest *nearest) {
    uint32_t at = nearest->count;
    while (at > 0 && (nearest->scores[at - 1] < score || (nearest->scores[at - 1] == score && nearest->places[at - 1] > place)))
        at--;
    if (at == nearest->wanted) return;
    uint32_t last = nearest->count == nearest->wanted ? nearest->count - 1 : nearest->count++;
    for (uint32_t i = last; i > at; i--) {
        nearest->places[i] = nearest->places[i - 1];
        nearest->commons[i] = nearest->commons[i - 1];
        nearest->scores[i] = nearest->scores[i - 1];
    }
    nearest->places[at] = place;
    nearest->commons[at] = found;
    nearest->scores[at] = score;
}

static inline void measure(const Pool *pool, Query *query, uint32_t place, int64_t shared, uint32_t position, Nearest *nearest) {
    if (query->stamps[place] == query->stamp) {
        query->counters.repeated++;
        return;
    }
    query->stamps[place] = query->stamp;
    uint32_t length = length_of(pool, place);
    int64_t needed = needed_for(half_wanted(nearest), query->length, length);
    if (shared < needed || (position < SATURATED && (int64_t)length - position < needed)) {
        query->counters.length_or_position++;
        return;
    }
    if (bits_apart(pool->sketches + (size_t)place * WIDTH, query->sketch) > (int64_t)query->length + length - 2 * needed) {
        query->counters.whole_sketch++;
        return;
    }
    const int32_t *tokens = pool->tokens + pool->starts[place];
    int64_t found = common(query, tokens, length, needed);
    nearest->failed |= found == NO_MEMORY;
    if (found > 0) rank(place, found, f_measure(found, query->length, length), nearest);
}

/* Mark the texts that may be among the best. Let h be half the wanted score, so that c > h(m + n) tokens must be common. The
 * query has only m - i tokens from this one on, so c <= m - i, and n is at most `longest`. The other text has n - q such tokens,
 * so n(1 - h) - q > h * m. This is compared in whole numbers, with n(1 - h) rounded up and h * m rounded down. */
FOR_EACH_PROCESSOR
static void prefilter(const uint16_t *lengths, const uint16_t *positions, uint32_t count, uint16_t longest, uint16_t share,
                      uint16_t wanted, uint8_t *pass) {
    for (uint32_t i = 0; i < count; i++) {
        uint16_t most = (uint16_t)(((uint32_t)lengths[i] * share >> 16) + 1), taken = (uint16_t)(positions[i] + wanted);
        int unknown = (lengths[i] == SATURATED) | (taken < wanted);  /* n is greater than it says; the sum did not fit */
        pass[i] = (uint8_t)((lengths[i] <= longest) & ((most > taken) | unknown));
    }
}

static uint32_t count_before(const Mentions *list, uint32_t before) {
    uint32_t low = 0, high = list->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list->places[middle] < before) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Search the texts that have this token, which the query has at `position`. */
FOR_EACH_PROCESSOR
static void scan(const Pool *pool, Query *query, const Mentions *list, uint32_t position, Nearest *nearest) {
    uint8_t pass[CHUNK + sizeof(uint64_t)];
    uint32_t all = count_before(list, nearest->before), left = query->length - position;
    query->counters.visited += all;
    for (uint32_t from = 0; from < all; from += CHUNK) {
        uint32_t count = all - from < CHUNK ? all - from : CHUNK;
        double half = half_wanted(nearest), share = (1 - half) * 65536 + 1, wanted = half * query->length;
        uint16_t longest = longest_possible(query->length, position, half);
        prefilter(list->lengths + from, list->positions + from, count, longest, share > SATURATED ? SATURATED : (uint16_t)share,
                  wanted > SATURATED ? SATURATED : (uint16_t)wanted, pass);
        memset(pass + count, 0, sizeof(uint64_t));
        for (uint32_t eight = 0; eight < count; eight += sizeof(uint64_t)) {
            uint64_t some;
            memcpy(&some, pass + eight, sizeof some);
            for (; some; some &= some - 1) {
                uint32_t at = from + eight + first_byte(some);
                measure(pool, query, list->places[at], left, list->positions[at], nearest);
            }
        }
    }
}

static void search(const Pool *pool, Query *query, Nearest *nearest) {
    for (uint32_t i = 0; i < query->length && !nearest->failed; i++) {
        uint32_t token = (uint32_t)query->order[i], left = query->length - i;
        /* The best text that was not met yet would have exactly these tokens. */
        if (needed_for(half_wanted(nearest), query->length, left) > left) return;
        if (token >= pool->mentions_room || (i && query->order[i] == query->order[i - 1])) continue;
        scan(pool, query, &pool->mentions[token], i, nearest);
    }
}

/* If too few texts have a token in common with the query, add the earliest of the others. */
static void fill_up(const Pool *pool, Nearest *nearest) {
    uint32_t with = nearest->count;
    for (uint32_t place = 0; place < pool->count && place < nearest->before && nearest->count < nearest->wanted; place++) {
        int known = 0;
        for (uint32_t i = 0; i < with; i++) known |= nearest->places[i] == place;
        if (known) continue;
        nearest->places[nearest->count] = place;
        nearest->commons[nearest->count] = 0;
        nearest->scores[nearest->count++] = 0.0;
    }
}

/* Find the `wanted` nearest texts of the pool to each text, nearest first, equal ones by place. Text i is compared with the
 * places below before[i]. Its results start at i * wanted in `places` and `commons`, and counts[i] is their number. The pool
 * is only read. Call `pool_mention` first. Return 0 when memory runs out. */
EXPORTED int pool_nearest(const Pool *pool, Query *query, const int32_t *tokens, const int64_t *starts, int64_t count,
                          const uint32_t *before, uint32_t wanted, uint32_t *places, int64_t *commons, uint32_t *counts) {
    double *scores = malloc((wanted + 1) * sizeof *scores);
    int done = scores != NULL;
    for (int64_t i = 0; i < count && done; i++) {
        Nearest nearest = {before[i], 0, wanted, places + i * wanted, commons + i * wanted, scores, 0};
        done = read_text(pool, query, tokens + starts[i], (uint32_t)(starts[i + 1] - starts[i])) && mask_text(query) &&
               begin_stamps(pool, query);
        query->counters.queries++;
        if (done && wanted) search(pool, query, &nearest);
        done = done && !nearest.failed;
        if (done) fill_up(pool, &nearest);
        counts[i] = nearest.count;
    }
    free(scores);
    return done;
}

/* Write the F-measure of the text to each text of the pool below place `before`. Return 0 when memory runs out. */
EXPORTED int pool_scores(const Pool *pool, Query *query, const int32_t *tokens, int64_t length, uint32_t before,
                         double *scores) {
    if (!read_text(pool, query, tokens, (uint32_t)length) || !mask_text(query)) return 0;
    for (uint32_t place = 0; place < pool->count && place < before; place++) {
        uint32_t other = length_of(pool, place);
        int64_t found = length ? common(query, pool->tokens + pool->starts[place], other, 0) : 0;
        if (found == NO_MEMORY) return 0;
        scores[place] = f_measure(found, query->length, other);
    }
    return 1;
}
