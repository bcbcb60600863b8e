/* Number the tokens. A token that was not met before gets the next number. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t seed;              /* random, so that no text can be made to collide in the table */
    char *spelled;              /* all tokens in sequence: token i is from starts[i] to starts[i + 1] */
    size_t spelled_room;
    uint64_t *starts;
    uint32_t *hashes;
    size_t starts_room, hashes_room;
    uint32_t count;
    uint32_t *table;            /* number of a token + 1, or 0. It has most + 1 places, a power of two */
    uint32_t most;
} Words;

EXPORTED Words *words_new(uint64_t seed) {
    Words *words = calloc(1, sizeof *words);
    if (!words) return NULL;
    words->seed = seed;
    words->most = 1023;
    words->table = calloc((size_t)words->most + 1, sizeof *words->table);
    words->starts = grown(NULL, &words->starts_room, 1024, sizeof *words->starts);
    if (!words->table || !words->starts) {
        free(words->table);
        free(words->starts);
        free(words);
        return NULL;
    }
    words->starts[0] = 0;
    return words;
}

EXPORTED void words_free(Words *words) {
    if (!words) return;
    free(words->spelled);
    free(words->starts);
    free(words->hashes);
    free(words->table);
    free(words);
}

static uint32_t hash_of(uint64_t seed, const unsigned char *token, size_t length) {
    uint64_t hash = seed ^ length;
    for (; length >= sizeof(uint64_t); token += sizeof(uint64_t), length -= sizeof(uint64_t)) {
        uint64_t eight;
        memcpy(&eight, token, sizeof eight);
        hash = (hash ^ eight) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    uint64_t rest = 0;
    memcpy(&rest, token, length);
    hash = (hash ^ rest ^ seed >> 32) * 0xD6E8FEB86659FD93u;
    hash ^= hash >> 32;
    return (uint32_t)(hash ^ hash >> 16);
}

static int widen(Words *words) {
    uint32_t most = words->most * 2 + 1;
    uint32_t *table = calloc((size_t)most + 1, sizeof *table);
    if (!table) return 0;
    for (uint32_t token = 0; token < words->count; token++) {
        uint32_t at = words->hashes[token] & most;
        while (table[at]) at = (at + 1) & most;
        table[at] = token + 1;
    }
    free(words->table);
    words->table = table;
    words->most = most;
    return 1;
}

/* Return the number of a token, or -1 when memory runs out. */
static int64_t number_of(Words *words, const unsigned char *token, size_t length) {
    uint32_t hash = hash_of(words->seed, token, length), at = hash & words->most;
    for (; words->table[at]; at = (at + 1) & words->most) {
        uint32_t other = words->table[at] - 1;
        uint64_t start = words->starts[other];
        if (words->hashes[other] == hash && words->starts[other + 1] - start == length &&
            !memcmp(words->spelled + start, token, length))
            return other;
    }
    uint32_t number = words->count;
    if (number == INT32_MAX) return -1;
    if (number >= words->most / 2) {  /* before the token is added: a search in a full table would not end */
        if (!widen(words)) return -1;
        for (at = hash & words->most; words->table[at]; at = (at + 1) & words->most) continue;
    }
    size_t used = words->starts[number];
    char *spelled = grown(words->spelled, &words->spelled_room, used + length, 1);
    if (!spelled) return -1;
    words->spelled = spelled;
    uint64_t *starts = grown(words->starts, &words->starts_room, (size_t)number + 2, sizeof *starts);
    if (!starts) return -1;
    words->starts = starts;
    uint32_t *hashes = grown(words->hashes, &words->hashes_room, (size_t)number + 1, sizeof *hashes);
    if (!hashes) return -1;
    words->hashes = hashes;
    memcpy(spelled + used, token, length);
    starts[number + 1] = used + length;
    hashes[number] = hash;
    words->table[at] = number + 1;
    words->count++;
    return number;
}

/* Write the numbers of the tokens of each text. Text i has sizes[i] bytes of `bytes`, one text after the other. If plain[i] is set,
 * its tokens are runs of ASCII letters and digits, made lower case. Otherwise its tokens are separated by spaces. `codes` needs
 * memory for half as many numbers as there are bytes, and one more for each text. starts[i + 1] becomes the end of the tokens of
 * text i. Return the number of tokens, or -1 when memory runs out. */
EXPORTED int64_t words_encode(Words *words, const unsigned char *bytes, const int64_t *sizes, const uint8_t *plain, int64_t count,
                              int32_t *codes, int64_t *starts) {
    unsigned char kept[256], small[256], buffer[256], *token = buffer, *longer = NULL;
    size_t room = sizeof buffer;
    int64_t used = 0;
    for (int byte = 0; byte < 256; byte++) {
        int capital = byte >= 'A' && byte <= 'Z';
        small[byte] = (unsigned char)(capital ? byte - 'A' + 'a' : byte);
        kept[byte] = capital || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
    }
    starts[0] = 0;
    for (int64_t i = 0; i < count && used >= 0; i++) {
        const unsigned char *end = bytes + sizes[i];
        while (bytes < end && used >= 0) {
            size_t length = 0;
            while (bytes < end && (plain[i] ? !kept[*bytes] : *bytes == ' ')) bytes++;
            const unsigned char *first = bytes;
            while (bytes < end && (plain[i] ? kept[*bytes] : *bytes != ' ')) bytes++;
            length = (size_t)(bytes - first);
            if (!length) break;
            if (plain[i]) {
                if (length > room) {
                    unsigned char *moved = realloc(longer, length);
                    if (!moved) {
                        used = -1;
                        break;
                    }
                    token = longer = moved;
                    room = length;
                }
                for (size_t at = 0; at < length; at++) token[at] = small[first[at]];
                first = token;
            }
            int64_t number = number_of(words, first, length);
            if (number < 0) used = -1;
            else codes[used++] = (int32_t)number;
        }
        bytes = end;
        starts[i + 1] = used;
    }
    free(longer);
    return used;
}
