/* Find the nearest text of the pool above the threshold. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 512   /* texts of a list that are filtered before any of them is measured */
#define AHEAD 2     /* lists are prefetched this many tokens ahead */

/* A search for the best text above the threshold (of equal ones the earliest), or for all of them. */
typedef struct {
    uint32_t from;              /* the first place to search */
    uint32_t place;             /* the best so far, or NO_PLACE */
    int64_t common;
    double score;               /* of the best so far, or the threshold */
    int all, failed;            /* whether to find all; whether memory ran out */
    uint32_t *places;           /* receives the first `room` places; `count` is the number of all */
    int64_t *commons;
    int64_t room, count;
} Search;

/* Start to record the places that were handled for this text. Return 0 when memory runs out. */
int begin_stamps(const Pool *pool, Query *query) {
    if (query->stamps_room < pool->count) {
        size_t room = pool->count + pool->count / 4 + 256;
        uint32_t *stamps = calloc(room, sizeof *stamps);
        if (!stamps) return 0;
        free(query->stamps);
        query->stamps = stamps;
        query->stamps_room = room;
        query->stamp = 0;
    }
    if (++query->stamp == 0) {
        memset(query->stamps, 0, query->stamps_room * sizeof *query->stamps);
        query->stamp = 1;
    }
    return 1;
}

FOR_EACH_PROCESSOR
static void measure(const Pool *pool, Query *query, uint32_t place, Search *search) {
    if (query->stamps[place] == query->stamp) {
        query->counters.repeated++;
        return;
    }
    query->stamps[place] = query->stamp;
    uint32_t length = length_of(pool, place);
    int64_t needed = needed_for(search->score * (1 - SLACK) / 2, query->length, length);
    if (pool->wide_of[place]) {
        const uint64_t *whole = pool->wide + (size_t)(pool->wide_of[place] - 1) * WIDTH;
        if (bits_apart(whole, query->sketch) > (int64_t)query->length + length - 2 * needed) {
            query->counters.whole_sketch++;
            return;
        }
    }
    if (!mask_text(query)) {
        search->failed = 1;
        return;
    }
    int64_t found = common(query, pool->tokens + pool->starts[place], length, needed);
    search->failed |= found == NO_MEMORY;
    if (found <= 0) return;
    double score = f_measure(found, query->length, length);
    if (search->all) {
        if (score <= pool->threshold) return;
        if (search->count < search->room) {
            search->places[search->count] = place;
            search->commons[search->count] = found;
        }
        search->count++;
    } else if (score > search->score || (score == search->score && place < search->place && search->place != NO_PLACE)) {
        search->place = place;
        search->common = found;
        search->score = score;
    }
}

/* Mark the texts that can be near by their length and latest. */
FOR_EACH_PROCESSOR
static void prefilter(const uint16_t *lengths, const uint16_t *latest, uint32_t count, uint16_t longest, uint16_t needed,
                      uint8_t *pass) {
    for (uint32_t i = 0; i < count; i++) pass[i] = (lengths[i] <= longest) & (latest[i] >= needed);
}

static uint32_t first_from(const List *list, uint32_t from) {
    uint32_t low = 0, high = list->count;
    while (from && low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list->places[middle] < from) low = middle + 1;
        else high = middle;
    }
    return from ? low : 0;
}

/* Search the texts that have this token in their prefix. The query has it at `position`. */
FOR_EACH_PROCESSOR
static void scan(const Pool *pool, Query *query, const List *list, uint32_t position, Search *search) {
    uint8_t pass[CHUNK + sizeof(uint64_t)];
    uint64_t passed = 0, by_sketch = 0;
    uint32_t first = first_from(list, search->from);
    uint16_t latest = latest_needed(pool, query->length);
    double half = search->score * (1 - SLACK) / 2;
    query->counters.visited += list->count - first;
    for (uint32_t from = first; from < list->count; from += CHUNK) {
        uint32_t count = list->count - from < CHUNK ? list->count - from : CHUNK;
        prefilter(list->lengths + from, list->latest + from, count, longest_possible(query->length, position, half), latest, pass);
        memset(pass + count, 0, sizeof(uint64_t));
        for (uint32_t eight = 0; eight < count; eight += sizeof(uint64_t)) {
            uint64_t some;
            memcpy(&some, pass + eight, sizeof some);
            for (; some; some &= some - 1) {
                uint32_t at = from + eight + first_byte(some), place = list->places[at], length = list->lengths[at];
                passed++;
                if (length == SATURATED) length = length_of(pool, place);
                int64_t apart = __builtin_popcountll(list->sketches[at] ^ query->folded);
                if (apart > (int64_t)query->length + length - 2 * needed_for(half, query->length, length)) {
                    by_sketch++;
                    continue;
                }
                measure(pool, query, place, search);
                half = search->score * (1 - SLACK) / 2;
            }
        }
    }
    query->counters.length_or_position += list->count - first - passed;
    query->counters.sketch += by_sketch;
}

/* Search for texts near to that of the query. Memory is slow and the lists are scattered in it, so lists are prefetched. */
static int look(const Pool *pool, Query *query, Search *search) {
    uint32_t end = prefix_of(pool, query->length);
    query->counters.queries++;
    if (pool->broken || !begin_stamps(pool, query)) return 0;
    for (uint32_t i = 0; i < end; i++)
        if ((uint32_t)query->order[i] < pool->vocabulary) __builtin_prefetch(&pool->lists[(uint32_t)query->order[i]]);
    for (uint32_t i = 0; i < end && !search->failed; i++) {
        uint32_t token = (uint32_t)query->order[i];
        if (i + AHEAD < end && (uint32_t)query->order[i + AHEAD] < pool->vocabulary) {
            const List *later = &pool->lists[(uint32_t)query->order[i + AHEAD]];
            uint32_t at = search->from ? later->count : 0;
            __builtin_prefetch(later->lengths + at);
            __builtin_prefetch(later->latest + at);
        }
        if (token >= pool->vocabulary || (i && query->order[i] == query->order[i - 1])) continue;
        if (pool->lists[token].count) scan(pool, query, &pool->lists[token], i, search);
    }
    return !search->failed;
}

static Search best_of(const Pool *pool, uint32_t from) {
    return (Search){.from = from, .place = NO_PLACE, .score = pool->threshold};
}

/* Find, for each text, the nearest text of the pool above the threshold, or NO_PLACE. The pool is only read, so that several
 * threads may do this at a time, each with its own query. Return 0 when memory runs out. */
EXPORTED int pool_look(const Pool *pool, Query *query, const int32_t *tokens, const int64_t *starts, int64_t count,
                       uint32_t *places, int64_t *commons) {
    for (int64_t i = 0; i < count; i++) {
        Search search = best_of(pool, 0);
        if (!read_text(pool, query, tokens + starts[i], (uint32_t)(starts[i + 1] - starts[i]))) return 0;
        if (!look(pool, query, &search)) return 0;
        places[i] = search.place;
        commons[i] = search.common;
    }
    return 1;
}

/* Find the nearest text above the threshold for one text after the other, and add each text that has none to the pool. On
 * entry, `places` and `commons` have the results of `pool_look` among the first `from` texts. Return 0 when memory runs out. */
EXPORTED int pool_admit(Pool *pool, Query *query, const int32_t *tokens, const int64_t *starts, int64_t count, uint32_t from,
                        uint32_t *places, int64_t *commons) {
    for (int64_t i = 0; i < count; i++) {
        uint32_t length = (uint32_t)(starts[i + 1] - starts[i]);
        Search search = best_of(pool, from);
        if (from && places[i] != NO_PLACE) {
            search.place = places[i];
            search.common = commons[i];
            search.score = f_measure(commons[i], length, length_of(pool, places[i]));
        }
        if (!read_text(pool, query, tokens + starts[i], length) || !look(pool, query, &search)) return 0;
        places[i] = search.place;
        commons[i] = search.common;
        if (search.place == NO_PLACE && !add_text(pool, query)) return 0;
    }
    return 1;
}

/* Add texts to the pool without a search. */
EXPORTED int pool_add(Pool *pool, Query *query, const int32_t *tokens, const int64_t *starts, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        if (!read_text(pool, query, tokens + starts[i], (uint32_t)(starts[i + 1] - starts[i]))) return 0;
        if (!add_text(pool, query)) return 0;
    }
    return 1;
}

/* Return the number of texts of the pool above the threshold, and write the first `room` of them. Return -1 when memory runs
 * out. */
EXPORTED int64_t pool_above(const Pool *pool, Query *query, const int32_t *tokens, int64_t length, uint32_t *places,
                            int64_t *commons, int64_t room) {
    Search search = best_of(pool, 0);
    search.all = 1;
    search.places = places;
    search.commons = commons;
    search.room = room;
    if (!read_text(pool, query, tokens, (uint32_t)length) || !look(pool, query, &search)) return -1;
    return search.count;
}
