/* Batch normalisation over rows (pixels and samples) of x [rows][C], per channel:
 *   mean, var = moments over rows;  v = (x - mean) * rstd * gamma + beta
 *   y = v, or after RELU max(v, 0), or after ADD_RELU max(v + r, 0), by `mode`
 *   d = dy, where a relu let nothing through 0;  dr = d
 *   dbeta = sum d;  dgamma = sum d * xhat;
 *   dx = gamma * rstd * (d - dbeta / rows - xhat * dgamma / rows)
 * The relu's sign is computed again from x, the same operations in the same order; with a
 * residual it is read from y. Pointers that a mode does not use may be anything.
 * A work-item takes `span` channels (dimension 0) of a share of the rows (dimension 1), CV vectors
 * at a time: all channels where a core reads, so that it goes through memory in order; one vector on
 * GPUs, where neighbours read side by side. Sums: one of `parts` shares, block by block of BLOCK
 * rows; partial holds two rows of C a share. Moments take each block in two passes while it is in
 * cache; blocks and then shares are merged by Chan's formula in a fixed order. The others:
 * `block` rows. */

#include "common/share.clh"
#include "common/vec.clh"

#ifndef BLOCK
#define BLOCK 32
#endif
#ifndef CV
#define CV 1
#endif

#define RELU 1
#define ADD_RELU 2

static inline vecf finish(vecf v, global const float *r, const ulong at, const int left, const int mode)
{
    if (mode == ADD_RELU)
        v += vec_load(r + at, left);
    return mode ? select(v, (vecf)(0.0f), v <= 0.0f) : v;
}

/* d at one place; v is what the forward pass had there before its relu. */
static inline vecf gradient(global const float *dy, global const float *y, const ulong at, const int left,
                            const vecf v, const int mode)
{
    const vecf d = vec_load(dy + at, left);
    if (!mode)
        return d;
    return select((vecf)(0.0f), d, (mode == RELU ? v : vec_load(y + at, left)) > 0.0f);
}

/* The rows of this work-item, and its channels: c those of a step, `left` what remains from there. */
#define CHANNELS                                                                                        \
    const int c_first = (int)get_global_id(0) * span, c_end = C - c_first < span ? C : c_first + span;  \
    for (int c = c_first, left = C - c; c < c_end; c += CV * VEC, left = C - c)
#define EACH UNROLL for (int v = 0; v < CV; v++)
#define LEFT (left - v * VEC)
#define SHARE                                                                \
    const int part = (int)get_global_id(1);                                  \
    const ulong first = rows * (ulong)part / (ulong)parts, end = rows * (ulong)(part + 1) / (ulong)parts;
#define BLOCKS for (ulong b = first, stop; stop = b + BLOCK < end ? b + BLOCK : end, b < end; b = stop)
/* This share's sums of the blocks before. */
#define SUM_AT(which) (partial + (ulong)(2 * part + which) * C + c + v * VEC)
#define SO_FAR(which) (b > first ? vec_load(SUM_AT(which), LEFT) : (vecf)(0.0f))
#define STORE_SUM(which, value) vec_store(value, SUM_AT(which), LEFT)
#define ROWS                                                                 \
    const ulong first = (ulong)get_global_id(1) * block;                     \
    const ulong end = first + block < rows ? first + block : rows;
/* Asks for what the next rows hold, in the order in which it lies there. */
#define ASK_AHEAD(p, from, row, until)                                                                      \
    for (int i = 0; (until) * C + (c - c_first + CV * VEC) * ((until) - (from)) <= rows * C && i < CV * VEC; i += 16) \
        PREFETCH((p) + (until) * C + (c - c_first) * ((until) - (from)) + ((row) - (from)) * (CV * VEC) + i);
#define CHANNEL_VALUES(name, value) \
    vecf name[CV];                  \
    EACH name[v] = value;
#define OF(p) vec_load(p + c + v * VEC, LEFT)

VECTOR_KERNEL void batchnorm_moments(global const float *restrict x, global float *restrict partial, const ulong rows,
                                     const int C, const int span, const int parts)
{
    SHARE
    float n = 0.0f;
    BLOCKS {
        const float len = (float)(stop - b), total = n + len;
        CHANNELS {
            CHANNEL_VALUES(sum, (vecf)(0.0f))
            CHANNEL_VALUES(square, (vecf)(0.0f))
            for (ulong r = b; r < stop; r++) {
                ASK_AHEAD(x, b, r, stop)
                EACH sum[v] += vec_load(x + r * C + c + v * VEC, LEFT);
            }
            EACH sum[v] /= len;
            for (ulong r = b; r < stop; r++) {
                EACH {
                    const vecf d = vec_load(x + r * C + c + v * VEC, LEFT) - sum[v];
                    square[v] = fma(d, d, square[v]);
                }
            }
            EACH {
                const vecf mean = SO_FAR(0), m2 = SO_FAR(1), delta = sum[v] - mean;
                STORE_SUM(0, mean + delta * (len / total));
                STORE_SUM(1, m2 + (square[v] + delta * delta * (n * len / total)));
            }
        }
        n = total;
    }
}

VECTOR_KERNEL void batchnorm_merge(global const float *restrict partial, global float *restrict mean_out,
                                   global float *restrict rstd_out, global float *restrict running_mean,
                                   global float *restrict running_var, const ulong rows, const int C, const int parts,
                                   const float eps, const float momentum)
{
    const int c = get_global_id(0);
    if (c >= C)
        return;
    float mean = 0.0f, m2 = 0.0f, n = 0.0f;
    for (int part = 0; part < parts; part++) {
        const float len = (float)(rows * (ulong)(part + 1) / (ulong)parts - rows * (ulong)part / (ulong)parts);
        const float delta = partial[(ulong)(2 * part) * C + c] - mean, total = n + len;
        mean += delta * (len / total);
        m2 += partial[(ulong)(2 * part + 1) * C + c] + delta * delta * (n * len / total);
        n = total;
    }
    mean_out[c] = mean;
    rstd_out[c] = 1.0f / sqrt(m2 / n + eps);
    running_mean[c] = fma(momentum, mean - running_mean[c], running_mean[c]);
    running_var[c] = fma(momentum, m2 / (n - 1.0f) - running_var[c], running_var[c]);
}

VECTOR_KERNEL void batchnorm_apply(global const float *x, global const float *restrict gamma,
                                   global const float *restrict beta, global const float *restrict mean,
                                   global const float *restrict rstd, global const float *r, global float *y,
                                   const ulong rows, const int C, const int span, const int block, const int mode,
                                   const int stream)
{
    ROWS
    CHANNELS {
        CHANNEL_VALUES(m, OF(mean))
        CHANNEL_VALUES(scale, OF(gamma) * OF(rstd))
        CHANNEL_VALUES(b, OF(beta))
        for (ulong row = first; row < end; row++) {
            ASK_AHEAD(x, first, row, end)
            if (mode == ADD_RELU)
                ASK_AHEAD(r, first, row, end)
            EACH {
                const ulong at = row * C + c + v * VEC;
                vec_put(finish(fma(vec_load(x + at, LEFT) - m[v], scale[v], b[v]), r, at, LEFT, mode), y + at, LEFT,
                        stream);
            }
        }
    }
}

VECTOR_KERNEL void batchnorm_eval__plain(global const float *x, global const float *restrict gamma,
                                         global const float *restrict beta, global const float *restrict mean,
                                         global const float *restrict var, global const float *r,
                                         global float *y, const ulong rows, const int C, const int span,
                                         const int block, const int mode, const int stream, const float eps)
{
    ROWS
    CHANNELS {
        CHANNEL_VALUES(m, OF(mean))
        CHANNEL_VALUES(scale, OF(gamma) / sqrt(OF(var) + eps))
        CHANNEL_VALUES(b, OF(beta))
        for (ulong row = first; row < end; row++) {
            ASK_AHEAD(x, first, row, end)
            if (mode == ADD_RELU)
                ASK_AHEAD(r, first, row, end)
            EACH {
                const ulong at = row * C + c + v * VEC;
                vec_put(finish(fma(vec_load(x + at, LEFT) - m[v], scale[v], b[v]), r, at, LEFT, mode), y + at, LEFT,
                        stream);
            }
        }
    }
}

/* partial: sums of d, then of d * xhat. With a residual d is stored, which is its gradient. */
VECTOR_KERNEL void batchnorm_bwd_sums(global const float *restrict x, global const float *y,
                                      global const float *restrict gamma, global const float *beta,
                                      global const float *restrict mean, global const float *restrict rstd,
                                      global const float *dy, global float *restrict partial, global float *dr,
                                      const ulong rows, const int C, const int span, const int parts, const int mode,
                                      const int stream)
{
    SHARE
    BLOCKS {
        CHANNELS {
            CHANNEL_VALUES(m, OF(mean))
            CHANNEL_VALUES(s, OF(rstd))
            CHANNEL_VALUES(scale, OF(gamma) * s[v])
            CHANNEL_VALUES(shift, mode == RELU ? OF(beta) : (vecf)(0.0f))
            CHANNEL_VALUES(sum, SO_FAR(0))
            CHANNEL_VALUES(product, SO_FAR(1))
            for (ulong row = b; row < stop; row++) {
                ASK_AHEAD(x, b, row, stop)
                ASK_AHEAD(dy, b, row, stop)
                if (mode == ADD_RELU)
                    ASK_AHEAD(y, b, row, stop)
                EACH {
                    const ulong at = row * C + c + v * VEC;
                    const vecf xm = vec_load(x + at, LEFT) - m[v];
                    const vecf d = gradient(dy, y, at, LEFT, fma(xm, scale[v], shift[v]), mode);
                    if (mode == ADD_RELU)
                        vec_put(d, dr + at, LEFT, stream);
                    sum[v] += d;
                    product[v] = fma(d, xm * s[v], product[v]);
                }
            }
            EACH STORE_SUM(0, sum[v]);
            EACH STORE_SUM(1, product[v]);
        }
    }
}

VECTOR_KERNEL void batchnorm_bwd_merge(global const float *restrict partial, global float *restrict dgamma,
                                       global float *restrict dbeta, const int C, const int parts)
{
    const int c = get_global_id(0);
    if (c >= C)
        return;
    float sum = 0.0f, product = 0.0f;
    for (int part = 0; part < parts; part++) {
        sum += partial[(ulong)(2 * part) * C + c];
        product += partial[(ulong)(2 * part + 1) * C + c];
    }
    dbeta[c] = sum;
    dgamma[c] = product;
}

/* With a residual the host passes dr, which the relu has cut, as dy, and no mode. */
VECTOR_KERNEL void batchnorm_bwd_apply(global const float *x, global const float *restrict gamma,
                                       global const float *beta, global const float *restrict mean,
                                       global const float *restrict rstd, global const float *dy,
                                       global const float *restrict dgamma, global const float *restrict dbeta,
                                       global float *dx, const ulong rows, const int C, const int span,
                                       const int block, const int mode, const int stream)
{
    ROWS
    const float share = 1.0f / (float)rows;
    CHANNELS {
        CHANNEL_VALUES(m, OF(mean))
        CHANNEL_VALUES(s, OF(rstd))
        CHANNEL_VALUES(scale, OF(gamma) * s[v])
        CHANNEL_VALUES(b, mode == RELU ? OF(beta) : (vecf)(0.0f))
        CHANNEL_VALUES(sum, OF(dbeta) * share)
        CHANNEL_VALUES(product, OF(dgamma) * share)
        for (ulong row = first; row < end; row++) {
            ASK_AHEAD(x, first, row, end)
            ASK_AHEAD(dy, first, row, end)
            EACH {
                const ulong at = row * C + c + v * VEC;
                const vecf xm = vec_load(x + at, LEFT) - m[v];
                const vecf d = gradient(dy, x, at, LEFT, fma(xm, scale[v], b[v]), mode);
                vec_put(scale[v] * (d - sum[v] - xm * s[v] * product[v]), dx + at, LEFT, stream);
            }
        }
    }
}
