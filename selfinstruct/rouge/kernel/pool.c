/* The pool: texts, and for each token the list of the texts that have it in their prefix (Xiao et al., 2008).
 *
 * Sort the tokens of a text by rarity, the rarest first, with equal tokens side by side. Texts x and y of m and n tokens that
 * need c common tokens share a first one in that order. If it has p tokens before it in x and q in y, at most
 * min(m - p, n - q) can be shared, so c <= m - p and c <= n - q. Therefore only the first n - least(n) + 1 tokens of a text can
 * be a first shared one, where least(n) is c for the shortest x that can be near. They are its prefix. Only they are listed,
 * with their positions. Of equal tokens, only the first can be the first shared one.
 */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#define BYTES (sizeof(uint64_t) + sizeof(uint32_t) + 2 * sizeof(uint16_t))  /* of one text in a list */

EXPORTED int32_t kernel_version(void) { return KERNEL_VERSION; }

EXPORTED Pool *pool_new(double threshold) {
    Pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pool->threshold = threshold;
    pool->bound = threshold * (1 - SLACK);
    pool->starts = grown(NULL, &pool->starts_room, 16, sizeof *pool->starts);
    if (!pool->starts) {
        free(pool);
        return NULL;
    }
    pool->starts[0] = 0;
    return pool;
}

static void empty_lists(Pool *pool) {
    for (uint32_t token = 0; token < pool->vocabulary; token++) free(pool->lists[token].sketches);
    if (pool->lists) memset(pool->lists, 0, pool->vocabulary * sizeof *pool->lists);
}

EXPORTED void pool_free(Pool *pool) {
    if (!pool) return;
    empty_lists(pool);
    for (uint32_t token = 0; token < pool->mentions_room; token++) {
        free(pool->mentions[token].places);
        free(pool->mentions[token].lengths);
        free(pool->mentions[token].positions);
    }
    free(pool->mentions);
    free(pool->sketches);
    free(pool->tokens);
    free(pool->starts);
    free(pool->weights);
    free(pool->seen);
    free(pool->lists);
    free(pool->wide);
    free(pool->wide_of);
    free(pool);
}

/* Allocate memory for the tokens below `vocabulary`. New tokens count as rarer than all before them. */
static int grow_vocabulary(Pool *pool, uint32_t vocabulary) {
    if (vocabulary <= pool->vocabulary) return 1;
    size_t room = (size_t)vocabulary + vocabulary / 4 + 64;
    uint32_t *weights = realloc(pool->weights, room * sizeof *weights);
    if (weights) pool->weights = weights;
    uint32_t *seen = realloc(pool->seen, room * sizeof *seen);
    if (seen) pool->seen = seen;
    List *lists = realloc(pool->lists, room * sizeof *lists);
    if (lists) pool->lists = lists;
    if (!weights || !seen || !lists) return 0;
    size_t fresh = room - pool->vocabulary;
    for (uint32_t token = pool->vocabulary; token < room; token++) weights[token] = token;
    memset(seen + pool->vocabulary, 0, fresh * sizeof *seen);
    memset(lists + pool->vocabulary, 0, fresh * sizeof *lists);
    pool->vocabulary = (uint32_t)room;
    return 1;
}

/* Count tokens before they are added or looked up, so that `pool_order` knows which are rare. */
EXPORTED int pool_meet(Pool *pool, const int32_t *tokens, int64_t count) {
    uint32_t vocabulary = 0;
    for (int64_t i = 0; i < count; i++)
        if ((uint32_t)tokens[i] >= vocabulary) vocabulary = (uint32_t)tokens[i] + 1;
    if (!grow_vocabulary(pool, vocabulary)) return 0;
    for (int64_t i = 0; i < count; i++) pool->seen[tokens[i]]++;
    pool->met += (uint64_t)count;
    return 1;
}

/* Return the fewest tokens that a text of this length has in common with any near text. */
static int64_t least(const Pool *pool, uint32_t length) { return (int64_t)(length * pool->bound / (2 - pool->bound)) + 1; }

uint32_t prefix_of(const Pool *pool, uint32_t length) {
    int64_t rest = (int64_t)length - least(pool, length);
    return rest < 0 ? 0 : (uint32_t)rest + 1;
}

/* Let x have m tokens and y n, and let their first shared token have p tokens before it in x and q in y. Then y can be near only
 * if c <= n - q. As c > t(m + n)/2, this means n(1 - t/2) - q > m * t/2. The left side is known when y is listed, the right side
 * when x is looked up. Both are stored in whole steps, the left one rounded up. */
static uint16_t latest_of(const Pool *pool, uint32_t length, uint32_t position) {
    double latest = FINE * ((double)length * (1 - pool->bound / 2) - position) + 1;
    return latest >= SATURATED ? SATURATED : latest <= 0 ? 0 : (uint16_t)latest;
}

uint16_t latest_needed(const Pool *pool, uint32_t length) {
    double latest = FINE * ((double)length * (pool->bound / 2));
    return latest >= SATURATED ? SATURATED : (uint16_t)latest;
}

static int make_room(List *list) {
    size_t room = list->room + list->room / 2 + 2, count = list->count;
    if (room > UINT32_MAX) return 0;
    char *block = malloc(room * BYTES);
    if (!block) return 0;
    uint64_t *sketches = (uint64_t *)block;
    uint32_t *places = (uint32_t *)(sketches + room);
    uint16_t *lengths = (uint16_t *)(places + room), *latest = lengths + room;
    if (count) {
        memcpy(sketches, list->sketches, count * sizeof *sketches);
        memcpy(places, list->places, count * sizeof *places);
        memcpy(lengths, list->lengths, count * sizeof *lengths);
        memcpy(latest, list->latest, count * sizeof *latest);
    }
    free(list->sketches);
    *list = (List){sketches, places, lengths, latest, (uint32_t)count, (uint32_t)room};
    return 1;
}

static int list_prefix(Pool *pool, const Query *query, uint32_t place) {
    uint32_t length = query->length;
    for (uint32_t i = 0, end = prefix_of(pool, length); i < end; i++) {
        if (i && query->order[i] == query->order[i - 1]) continue;
        List *list = &pool->lists[(uint32_t)query->order[i]];
        if (list->count == list->room && !make_room(list)) return 0;
        uint32_t at = list->count++;
        list->sketches[at] = query->folded;
        list->places[at] = place;
        list->lengths[at] = length < SATURATED ? (uint16_t)length : SATURATED;
        list->latest[at] = latest_of(pool, length, i);
    }
    return 1;
}

static int keep_whole_sketch(Pool *pool, const Query *query, uint32_t place) {
    uint32_t *wide_of = grown(pool->wide_of, &pool->wide_of_room, (size_t)place + 1, sizeof *wide_of);
    if (!wide_of) return 0;
    pool->wide_of = wide_of;
    wide_of[place] = 0;
    if (query->length < WIDE_FROM) return 1;
    uint64_t *wide = grown(pool->wide, &pool->wide_room, ((size_t)pool->wide_count + 1) * WIDTH, sizeof *wide);
    if (!wide) return 0;
    pool->wide = wide;
    memcpy(wide + (size_t)pool->wide_count * WIDTH, query->sketch, sizeof query->sketch);
    wide_of[place] = ++pool->wide_count;
    return 1;
}

/* Append the text of the query to the pool. Return 0 when memory or places run out. */
int add_text(Pool *pool, const Query *query) {
    uint32_t length = query->length, place = pool->count, vocabulary = 0;
    size_t used = (size_t)pool->starts[place];
    if (place == NO_PLACE - 1) return 0;
    for (uint32_t i = 0; i < length; i++)
        if ((uint32_t)query->tokens[i] >= vocabulary) vocabulary = (uint32_t)query->tokens[i] + 1;
    int64_t *starts = grown(pool->starts, &pool->starts_room, (size_t)place + 2, sizeof *starts);
    if (!starts) return 0;
    pool->starts = starts;
    int32_t *tokens = grown(pool->tokens, &pool->tokens_room, used + length, sizeof *tokens);
    if (!tokens && used + length) return 0;
    pool->tokens = tokens;
    if (!grow_vocabulary(pool, vocabulary) || !keep_whole_sketch(pool, query, place) || !list_prefix(pool, query, place)) return 0;
    if (length) memcpy(tokens + used, query->tokens, length * sizeof *tokens);
    starts[place + 1] = (int64_t)(used + length);
    pool->count++;
    return 1;
}

/* Sort the tokens of all texts again, by how often each token was met so far. Any order gives the same answers, but with rare
 * tokens first, fewer pairs are compared. Return 0 when memory runs out. */
EXPORTED int pool_order(Pool *pool, Query *query) {
    uint32_t vocabulary = pool->vocabulary;
    uint64_t *often = malloc((vocabulary + 1) * sizeof *often);
    if (!often) return 0;
    for (uint32_t token = 0; token < vocabulary; token++) often[token] = (uint64_t)pool->seen[token] << 32 | token;
    sort_descending(often, vocabulary);
    pool->orders++;  /* lists in the old order are useless from here on, even after an error */
    for (uint32_t weight = 0; weight < vocabulary; weight++) pool->weights[(uint32_t)often[weight]] = weight;
    free(often);
    empty_lists(pool);
    pool->broken = 1;  /* until all lists are complete again */
    for (uint32_t place = 0; place < pool->count; place++) {
        if (!read_text(pool, query, pool->tokens + pool->starts[place], length_of(pool, place))) return 0;
        if (!list_prefix(pool, query, place)) return 0;
    }
    pool->broken = 0;
    pool->met_at_order = pool->met;
    return 1;
}

/* Return whether so many tokens were met since the last sorting that another one saves time. */
EXPORTED int pool_is_out_of_order(const Pool *pool) { return pool->met > 3 * pool->met_at_order; }

/* Remove the texts from place `keep` on from the lists for the nearest. */
void forget_mentions(Pool *pool, uint32_t keep) {
    for (uint32_t token = 0; token < pool->mentions_room; token++) {
        Mentions *list = &pool->mentions[token];
        while (list->count && (!keep || list->places[list->count - 1] >= keep)) list->count--;
    }
    if (pool->mentioned > keep) pool->mentioned = keep;
}

/* Remove the texts from place `keep` on, also one that was only partly added. */
EXPORTED void pool_cut(Pool *pool, uint32_t keep) {
    for (uint32_t token = 0; token < pool->vocabulary; token++) {
        List *list = &pool->lists[token];
        while (list->count && list->places[list->count - 1] >= keep) list->count--;
    }
    forget_mentions(pool, keep);
    if (pool->count > keep) pool->count = keep;
    for (pool->wide_count = 0; keep; keep--) {  /* the last long text that stays has the greatest number */
        if (!pool->wide_of[keep - 1]) continue;
        pool->wide_count = pool->wide_of[keep - 1];
        break;
    }
}

EXPORTED const int32_t *pool_tokens(const Pool *pool) { return pool->tokens; }

EXPORTED const int64_t *pool_starts(const Pool *pool) { return pool->starts; }

EXPORTED int64_t pool_bytes(const Pool *pool) {
    size_t bytes = pool->tokens_room * sizeof *pool->tokens + pool->starts_room * sizeof *pool->starts;
    bytes += pool->vocabulary * (sizeof *pool->weights + sizeof *pool->seen + sizeof *pool->lists);
    for (uint32_t token = 0; token < pool->vocabulary; token++) bytes += pool->lists[token].room * BYTES;
    bytes += pool->wide_room * sizeof *pool->wide + pool->wide_of_room * sizeof *pool->wide_of;
    for (uint32_t token = 0; token < pool->mentions_room; token++)
        bytes += sizeof(Mentions) + pool->mentions[token].room * (sizeof(uint32_t) + 2 * sizeof(uint16_t));
    bytes += pool->sketches_room * sizeof *pool->sketches;
    return (int64_t)bytes;
}
