/* Batch normalisation over rows (pixels and samples) of x [rows][C], per channel:
 *   mean, var = moments over rows;  v = (x - mean) * rstd * gamma + beta
 *   y = v, or after RELU max(v, 0), or after ADD_RELU max(v + r, 0), by `mode`
 *   d = dy, where a relu let nothing through 0;  dr = d
 *   dbeta = sum d;  dgamma = sum d * xhat;
 *   dx = gamma * rstd * (d - dbeta / rows - xhat * dgamma / rows)
 * The relu's sign is computed again from x, the same operations in the same order; with a
 * residual it is read from y. Pointers that a mode does not use may be anything.
 * A work-item takes CV vectors of channels (dimension 0) of a share of the rows (dimension 1):
 * whole lines of memory where a core reads, neighbours side by side where a GPU does. Moments: one
 * of `parts` shares, block by block of BLOCK rows, each in two passes while it is in cache; blocks
 * and then shares are merged by Chan's formula in a fixed order. partial holds two rows of C a
 * share. The others: APPLY_ROWS rows. */

#include "common/share.clh"
#include "common/vec.clh"

#ifndef BLOCK
#define BLOCK 32
#endif
#ifndef CV
#define CV 1 /* 1..4 */
#endif
#ifndef APPLY_ROWS
#define APPLY_ROWS 16
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

/* The rows and channels of this work-item; `at` is vector v's place in a row. */
#define CHANNELS                                                             \
    const int c = (int)get_global_id(0) * CV * VEC;                          \
    const int left = C - c;
#define EACH UNROLL for (int v = 0; v < CV; v++)
#define LEFT (left - v * VEC)
#define SHARE                                                                \
    const int part = (int)get_global_id(1);                                  \
    const ulong first = rows * (ulong)part / (ulong)parts, end = rows * (ulong)(part + 1) / (ulong)parts;
#define ROWS                                                                 \
    const ulong first = (ulong)get_global_id(1) * APPLY_ROWS;                \
    const ulong end = first + APPLY_ROWS < rows ? first + APPLY_ROWS : rows;
#define CHANNEL_VALUES(name, value) \
    vecf name[CV];                  \
    EACH name[v] = value;
#define OF(p) vec_load(p + c + v * VEC, LEFT)

VECTOR_KERNEL void batchnorm_moments(global const float *restrict x, global float *restrict partial, const ulong rows,
                                     const int C, const int parts)
{
    CHANNELS
    SHARE
    CHANNEL_VALUES(mean, (vecf)(0.0f))
    CHANNEL_VALUES(m2, (vecf)(0.0f))
    float n = 0.0f;
    for (ulong b = first; b < end; b += BLOCK) {
        const ulong stop = b + BLOCK < end ? b + BLOCK : end;
        const float len = (float)(stop - b), total = n + len;
        CHANNEL_VALUES(sum, (vecf)(0.0f))
        CHANNEL_VALUES(square, (vecf)(0.0f))
        for (ulong r = b; r < stop; r++) {
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
            const vecf delta = sum[v] - mean[v];
            mean[v] += delta * (len / total);
            m2[v] += square[v] + delta * delta * (n * len / total);
        }
        n = total;
    }
    EACH {
        vec_store(mean[v], partial + (ulong)(2 * part) * C + c + v * VEC, LEFT);
        vec_store(m2[v], partial + (ulong)(2 * part + 1) * C + c + v * VEC, LEFT);
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
                                   const ulong rows, const int C, const int mode)
{
    CHANNELS
    ROWS
    CHANNEL_VALUES(m, OF(mean))
    CHANNEL_VALUES(scale, OF(gamma) * OF(rstd))
    CHANNEL_VALUES(b, OF(beta))
    for (ulong row = first; row < end; row++) {
        EACH {
            const ulong at = row * C + c + v * VEC;
            vec_store(finish(fma(vec_load(x + at, LEFT) - m[v], scale[v], b[v]), r, at, LEFT, mode), y + at, LEFT);
        }
    }
}

VECTOR_KERNEL void batchnorm_eval__plain(global const float *x, global const float *restrict gamma,
                                         global const float *restrict beta, global const float *restrict mean,
                                         global const float *restrict var, global const float *r,
                                         global float *y, const ulong rows, const int C, const int mode,
                                         const float eps)
{
    CHANNELS
    ROWS
    CHANNEL_VALUES(m, OF(mean))
    CHANNEL_VALUES(scale, OF(gamma) / sqrt(OF(var) + eps))
    CHANNEL_VALUES(b, OF(beta))
    for (ulong row = first; row < end; row++) {
        EACH {
            const ulong at = row * C + c + v * VEC;
            vec_store(finish(fma(vec_load(x + at, LEFT) - m[v], scale[v], b[v]), r, at, LEFT, mode), y + at, LEFT);
        }
    }
}

/* partial: sums of d, then of d * xhat */
VECTOR_KERNEL void batchnorm_bwd_sums(global const float *restrict x, global const float *y,
                                      global const float *restrict gamma, global const float *beta,
                                      global const float *restrict mean, global const float *restrict rstd,
                                      global const float *restrict dy, global float *restrict partial,
                                      const ulong rows, const int C, const int parts, const int mode)
{
    CHANNELS
    SHARE
    CHANNEL_VALUES(m, OF(mean))
    CHANNEL_VALUES(s, OF(rstd))
    CHANNEL_VALUES(scale, OF(gamma) * s[v])
    CHANNEL_VALUES(b, mode == RELU ? OF(beta) : (vecf)(0.0f))
    CHANNEL_VALUES(sum, (vecf)(0.0f))
    CHANNEL_VALUES(product, (vecf)(0.0f))
    for (ulong row = first; row < end; row++) {
        EACH {
            const ulong at = row * C + c + v * VEC;
            const vecf xm = vec_load(x + at, LEFT) - m[v];
            const vecf d = gradient(dy, y, at, LEFT, fma(xm, scale[v], b[v]), mode);
            sum[v] += d;
            product[v] = fma(d, xm * s[v], product[v]);
        }
    }
    EACH {
        vec_store(sum[v], partial + (ulong)(2 * part) * C + c + v * VEC, LEFT);
        vec_store(product[v], partial + (ulong)(2 * part + 1) * C + c + v * VEC, LEFT);
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

VECTOR_KERNEL void batchnorm_bwd_apply(global const float *x, global const float *y,
                                       global const float *restrict gamma, global const float *beta,
                                       global const float *restrict mean, global const float *restrict rstd,
                                       global const float *dy, global const float *restrict dgamma,
                                       global const float *restrict dbeta, global float *dx, global float *dr,
                                       const ulong rows, const int C, const int mode)
{
    CHANNELS
    ROWS
    const float share = 1.0f / (float)rows;
    CHANNEL_VALUES(m, OF(mean))
    CHANNEL_VALUES(s, OF(rstd))
    CHANNEL_VALUES(scale, OF(gamma) * s[v])
    CHANNEL_VALUES(b, mode == RELU ? OF(beta) : (vecf)(0.0f))
    CHANNEL_VALUES(sum, OF(dbeta) * share)
    CHANNEL_VALUES(product, OF(dgamma) * share)
    for (ulong row = first; row < end; row++) {
        EACH {
            const ulong at = row * C + c + v * VEC;
            const vecf xm = vec_load(x + at, LEFT) - m[v];
            const vecf d = gradient(dy, y, at, LEFT, fma(xm, scale[v], b[v]), mode);
            if (mode == ADD_RELU)
                vec_store(d, dr + at, LEFT);
            vec_store(scale[v] * (d - sum[v] - xm * s[v] * product[v]), dx + at, LEFT);
        }
    }
}
