/* SHA-256 as in FIPS 180-4. Its constants are the fractional parts of the square
 * and cube roots of the first primes; they are computed, in integers, once. */
#include "base/base.h"

#include <string.h>

static uint32_t root_fraction(unsigned prime, int power)
{
    /* floor(prime^(1/power) * 2^32) by bisection in 128 bits, low word */
    unsigned __int128 target = (unsigned __int128)prime << 64;
    uint64_t lo = 0, hi = (uint64_t)20 << 32;
    while (hi - lo > 1) {
        uint64_t mid = lo + (hi - lo) / 2;
        bool below;
        if (power == 2) {
            below = (unsigned __int128)mid * mid <= target;
        } else {
            /* mid^3 <= prime·2^96, with both sides divided by mid */
            unsigned __int128 square = (unsigned __int128)mid * mid;
            unsigned __int128 limit = ((unsigned __int128)prime << 96) / mid;
            below = square <= limit;
        }
        if (below)
            lo = mid;
        else
            hi = mid;
    }
    return (uint32_t)lo;
}

static void constants(uint32_t h[8], uint32_t k[64])
{
    int found = 0;
    for (unsigned p = 2; found < 64; p++) {
        bool prime = true;
        for (unsigned d = 2; d * d <= p; d++)
            prime = prime && p % d != 0;
        if (!prime)
            continue;
        if (found < 8)
            h[found] = root_fraction(p, 2);
        k[found++] = root_fraction(p, 3);
    }
}

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void compress(struct base_sha256 *s, const uint32_t k[64])
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)s->block[4 * i] << 24 | (uint32_t)s->block[4 * i + 1] << 16 |
               (uint32_t)s->block[4 * i + 2] << 8 | s->block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(v, s->h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t e = v[4], a = v[0];
        uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                      ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        s->h[i] += v[i];
}

void base_sha256_init(struct base_sha256 *s)
{
    uint32_t k[64];
    memset(s, 0, sizeof *s);
    constants(s->h, k);
}

void base_sha256_add(struct base_sha256 *s, const void *bytes, size_t len)
{
    static _Thread_local uint32_t k[64];
    const unsigned char *p = bytes;
    if (!k[0]) {
        uint32_t h[8];
        constants(h, k);
    }
    while (len) {
        size_t at = (size_t)(s->bytes % 64), n = 64 - at < len ? 64 - at : len;
        memcpy(s->block + at, p, n);
        s->bytes += n;
        p += n;
        len -= n;
        if (s->bytes % 64 == 0)
            compress(s, k);
    }
}

void base_sha256_hex(struct base_sha256 *s, char out[65])
{
    static const unsigned char pad[64] = {0x80};
    unsigned char size[8];
    uint64_t bits = s->bytes * 8;
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)(bits >> (56 - 8 * i));
    size_t at = (size_t)(s->bytes % 64);
    base_sha256_add(s, pad, at < 56 ? 56 - at : 120 - at);
    base_sha256_add(s, size, 8);
    for (int i = 0; i < 8; i++)
        snprintf(out + 8 * i, 9, "%08x", s->h[i]);
}
