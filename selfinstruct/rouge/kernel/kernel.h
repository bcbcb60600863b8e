/* The compiled half of the ROUGE-L index. words.c makes whole numbers of tokens; all else knows texts as lists of these alone.
 *
 * Two texts of m and n tokens whose longest common subsequence has c tokens have F = 2c/(m + n). F > t needs
 * c > t(m + n)/2. All pruning below uses a bound a hair under t, so that rounding can only let more pairs through;
 * what is let through is measured, and the last comparison repeats the floating-point operations of `rouge_score`.
 *
 * Nothing here is shared between threads but a Pool that is only read: each thread brings its own Query. Whatever gives 0 (or -1,
 * or NULL) had no memory; the caller then cuts the pool back to what it was.
 */
#ifndef SELFINSTRUCT_KERNEL_H
#define SELFINSTRUCT_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define KERNEL_VERSION 2

#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

/* Hot loops are compiled once for each level of the processor's instructions, and the right one is chosen at load time. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "popcnt", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

#define WIDTH 8               /* 64-bit words of a sketch */
#define STEPS 16              /* tokens of a text between two looks at whether enough can still be found */
#define SATURATED 0xFFFF      /* in a list: as much or more */
#define FINE 8.0              /* steps of `latest` to a token */
#define WIDE_FROM 40          /* tokens from which on a text keeps its whole sketch: a single word says too little then */
#define MOST_WORDS 256        /* words a text may have for its rows to be held all at once */
#define NO_PLACE UINT32_MAX
#define NO_MEMORY INT64_MIN
#define HAIR 1e-9

/* The texts in whose prefix a token is, in the order of their places. Row by row in one block, for most of them are passed over
 * by length and latest alone. */
typedef struct {
    uint64_t *sketches;  /* of the whole text, folded to one word; the block begins here */
    uint32_t *places;    /* which text */
    uint16_t *lengths;   /* how many tokens it has, SATURATED if there are more */
    uint16_t *latest;    /* how much later the query may have the token: see latest_of in pool.c */
    uint32_t count, room;
} List;

/* All texts that have a token, in the order of their places: what the search for the nearest goes through. */
typedef struct {
    uint32_t *places;
    uint16_t *lengths;      /* SATURATED as above */
    uint16_t *positions;    /* how many of the text's tokens come before this one when the rarest come first */
    uint32_t count, room;
} Mentions;

typedef struct {
    double threshold, bound;
    uint32_t count;             /* texts */
    int32_t *tokens;            /* of all texts, one after the other; those of text i from starts[i] to starts[i + 1] */
    int64_t *starts;
    size_t tokens_room, starts_room;
    uint32_t vocabulary;        /* tokens that have a weight and a list: 0 to vocabulary - 1 */
    uint32_t *weights;          /* the greater, the rarer: tokens not known when texts were last put in order come first */
    uint32_t *seen;             /* how often each token was met */
    List *lists;
    uint64_t *wide;             /* whole sketches of long texts */
    uint32_t *wide_of;          /* by place: which of them, counted from 1; 0 for a short text */
    size_t wide_room, wide_of_room;
    uint32_t wide_count;
    int broken;                 /* memory ran out while texts were put in order: nothing can be looked up any more */
    uint64_t met, met_at_order; /* tokens met in all, and when texts were last put in order */
    uint32_t orders;            /* how often texts were put in order */
    Mentions *mentions;         /* by token, made when the nearest are first asked for */
    uint64_t *sketches;         /* of all texts that are mentioned, whole */
    size_t sketches_room;
    uint32_t mentions_room, mentioned, mentioned_order;
} Pool;

/* What became of the pairs that were looked at. A pair may be visited once for each token of both prefixes. */
typedef struct {
    uint64_t queries, visited, length_or_position, sketch, repeated, whole_sketch, stopped, finished;
} Counters;

/* One thread's view of one text, and its room to work in. */
typedef struct {
    const int32_t *tokens;
    uint32_t length;
    uint64_t sketch[WIDTH], folded;
    uint64_t *order;            /* weight << 32 | token, rarest first */
    size_t order_room;
    uint32_t different;         /* tokens, each kind counted once */
    uint32_t words;             /* 64-bit words that one bit a token takes */
    uint64_t *mask;             /* by token: where it stands in the text, for texts of one word */
    uint32_t *slot;             /* by token, for longer texts: which row of `rows` says where it stands; 0 for nowhere */
    uint32_t tables_room;
    uint64_t *rows, *column;
    size_t rows_room;
    uint8_t *carries;           /* for texts of more than MOST_WORDS words */
    size_t carries_room;
    int masked;                 /* whether mask or slot and rows are those of this text */
    uint32_t *stamps, stamp;    /* by place: texts met under this stamp are known already */
    size_t stamps_room;
    Counters counters;
} Query;

/* text.c */
void sort_descending(uint64_t *values, uint32_t count);
int read_text(const Pool *pool, Query *query, const int32_t *tokens, uint32_t length);
int mask_text(Query *query);
void unmask_text(Query *query);
int64_t common(Query *query, const int32_t *other, uint32_t length, int64_t needed);
double f_measure(int64_t common, uint32_t length, uint32_t other);
void *grown(void *items, size_t *room, size_t wanted, size_t size);

/* pool.c */
uint32_t prefix_of(const Pool *pool, uint32_t length);
uint16_t latest_needed(const Pool *pool, uint32_t length);
int add_text(Pool *pool, const Query *query);
void forget_mentions(Pool *pool, uint32_t keep);

/* probe.c */
int begin_stamps(const Pool *pool, Query *query);

/* The longest common subsequence by whole words of bits (Hyyro, 2004), of a text of one word and another one: a bit of `column`
 * is 0 where one more token of the text has been matched. Gives up, with -1, once fewer than `needed` can be reached. */
static inline int64_t common_narrow(const uint64_t *mask, const int32_t *other, uint32_t length, int64_t needed) {
    uint64_t column = ~0ull;
    int64_t found = 0;
    for (uint32_t i = 0; i < length;) {
        uint32_t until = length - i > STEPS ? i + STEPS : length;
        for (; i < until; i++) {
            uint64_t both = column & mask[other[i]];
            column = (column + both) | (column - both);
        }
        found = __builtin_popcountll(~column);
        if (found + (int64_t)(length - i) < needed) return -1;
    }
    return found;
}

/* With p tokens before the first shared one in a text of m, texts of n tokens come into question only where t/2 * (m + n) < m - p:
 * the most that n can be. */
static inline uint16_t longest_possible(uint32_t length, uint32_t position, double half_of_bound) {
    double longest = half_of_bound > 0 ? ((double)length - position) / half_of_bound - length + 1 : SATURATED;
    return longest >= SATURATED ? SATURATED : longest <= 0 ? 0 : (uint16_t)longest;
}

/* Which of eight bytes, each 0 or 1, is the first that is 1; eight of them stand in the order of the machine's memory. */
static inline uint32_t first_byte(uint64_t bytes) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (uint32_t)__builtin_ctzll(bytes) / 8;
#else
#error "the order of bytes in this machine's memory is not the expected one; the portable engine is used instead"
#endif
}

static inline int64_t bits_apart(const uint64_t *one, const uint64_t *other) {
    int64_t apart = 0;
    for (int word = 0; word < WIDTH; word++) apart += __builtin_popcountll(one[word] ^ other[word]);
    return apart;
}

static inline uint32_t length_of(const Pool *pool, uint32_t place) {
    return (uint32_t)(pool->starts[place + 1] - pool->starts[place]);
}

/* The fewest common tokens for an F-measure above `bound`: not too many, and at most one too few. */
static inline int64_t needed_for(double half_of_bound, uint32_t length, uint32_t other) {
    return (int64_t)(half_of_bound * ((double)length + (double)other)) + 1;
}

#endif
