/* The compiled half of the ROUGE-L index. words.c numbers tokens. All other files see texts as lists of these numbers.
 *
 * Two texts of m and n tokens whose longest common subsequence has c tokens have F = 2c/(m + n). F > t needs
 * c > t(m + n)/2. All pruning uses a bound slightly under t, so that rounding can only let more pairs through. Those pairs are
 * measured, and the last comparison repeats the floating-point operations of `rouge_score`.
 *
 * Threads share only a Pool that none of them changes. Each thread has its own Query. A function that returns 0 (or -1, or NULL)
 * ran out of memory, and the caller then cuts the pool back to its former size.
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

/* Hot loops are compiled once for each level of processor instructions. The loader chooses one of them. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "popcnt", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

#define WIDTH 8               /* 64-bit words of a sketch */
#define STEPS 16              /* tokens of a text between two checks of whether enough can still be found */
#define SATURATED 0xFFFF      /* in a list: this much or more */
#define FINE 8.0              /* steps of `latest` to a token */
#define WIDE_FROM 40          /* tokens from which on a text keeps its whole sketch, because one word of it would filter little */
#define MOST_WORDS 256        /* words up to which all rows of a text are kept in memory */
#define NO_PLACE UINT32_MAX
#define NO_MEMORY INT64_MIN
#define SLACK 1e-9            /* relative margin of all bounds, so that rounding cannot lose a pair */

/* The texts that have a token in their prefix, in the order of their places. The columns share one block of memory. Most texts
 * are skipped by length and latest alone. */
typedef struct {
    uint64_t *sketches;  /* of the whole text, folded to one word. The block starts here */
    uint32_t *places;    /* the text */
    uint16_t *lengths;   /* its tokens, SATURATED if there are more */
    uint16_t *latest;    /* how late the query may have the token: see latest_of in pool.c */
    uint32_t count, room;
} List;

/* All texts that have a token, in the order of their places, for the search for the nearest. */
typedef struct {
    uint32_t *places;
    uint16_t *lengths;      /* SATURATED as above */
    uint16_t *positions;    /* tokens of the text before this one, in order of rarity */
    uint32_t count, room;
} Mentions;

typedef struct {
    double threshold, bound;
    uint32_t count;             /* texts */
    int32_t *tokens;            /* of all texts in sequence: those of text i are from starts[i] to starts[i + 1] */
    int64_t *starts;
    size_t tokens_room, starts_room;
    uint32_t vocabulary;        /* tokens that have a weight and a list: 0 to vocabulary - 1 */
    uint32_t *weights;          /* greater is rarer: tokens unknown at the last sorting count as the rarest */
    uint32_t *seen;             /* occurrences of each token so far */
    List *lists;
    uint64_t *wide;             /* whole sketches of long texts */
    uint32_t *wide_of;          /* by place: the number in `wide`, from 1, or 0 for a short text */
    size_t wide_room, wide_of_room;
    uint32_t wide_count;
    int broken;                 /* memory ran out during a sorting: the pool cannot be searched any more */
    uint64_t met, met_at_order; /* tokens met in all, and at the last sorting */
    uint32_t orders;            /* number of sortings */
    Mentions *mentions;         /* by token, made by the first search for the nearest */
    uint64_t *sketches;         /* whole sketches of the texts in `mentions` */
    size_t sketches_room;
    uint32_t mentions_room, mentioned, mentioned_order;
} Pool;

/* How many pairs of texts each step has handled. A pair may be visited once for each token that both prefixes have. */
typedef struct {
    uint64_t queries, visited, length_or_position, sketch, repeated, whole_sketch, stopped, finished;
} Counters;

/* The text that a thread searches for, and the memory of the thread. */
typedef struct {
    const int32_t *tokens;
    uint32_t length;
    uint64_t sketch[WIDTH], folded;
    uint64_t *order;            /* weight << 32 | token, rarest first */
    size_t order_room;
    uint32_t different;         /* distinct tokens */
    uint32_t words;             /* 64-bit words for one bit for each token */
    uint64_t *mask;             /* by token: its positions in a text of one word */
    uint32_t *slot;             /* by token, for longer texts: the row of `rows` with its positions, or 0 */
    uint32_t tables_room;
    uint64_t *rows, *column;
    size_t rows_room;
    uint8_t *carries;           /* for texts of more than MOST_WORDS words */
    size_t carries_room;
    int masked;                 /* whether mask, or slot and rows, belong to this text */
    uint32_t *stamps, stamp;    /* by place: a text with this stamp was handled already */
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

/* Return the longest common subsequence of a text of one word and another text, by operations on words of bits (Hyyro, 2004).
 * A bit of `column` is 0 where one more token of the text has been matched. Return -1 once `needed` cannot be reached. */
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

/* Return the most tokens n that a text can have to be near to a text of m tokens with p tokens before the first shared one. The
 * condition is t/2 * (m + n) < m - p. */
static inline uint16_t longest_possible(uint32_t length, uint32_t position, double half_of_bound) {
    double longest = half_of_bound > 0 ? ((double)length - position) / half_of_bound - length + 1 : SATURATED;
    return longest >= SATURATED ? SATURATED : longest <= 0 ? 0 : (uint16_t)longest;
}

/* Return the number of the first of eight bytes that is 1. Each byte is 0 or 1, in the order of the machine's memory. */
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

/* Return the fewest common tokens for an F-measure above the bound. The result is never too high, and at most 1 too low. */
static inline int64_t needed_for(double half_of_bound, uint32_t length, uint32_t other) {
    return (int64_t)(half_of_bound * ((double)length + (double)other)) + 1;
}

#endif
