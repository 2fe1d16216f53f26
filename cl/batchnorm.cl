/* Batch normalisation over rows (pixels and samples) of x [rows][C], per channel:
 *   mean, var = moments over rows;  v = (x - mean) * rstd * gamma + beta
 *   y = v, or after RELU max(v, 0), or after ADD_RELU max(v + r, 0), by `mode`
 *   d = dy, where a relu let nothing through 0;  dr = d
 *   dbeta = sum d;  dgamma = sum d * xhat;
 *   dx = gamma * rstd * (d - dbeta / rows - xhat * dgamma / rows)
 * The relu's sign is computed again from x, the same operations in the same order; with a
 * residual it is read from y. Pointers that a mode does not use may be anything.
 * Moments: a work-item takes VEC channels of one of `parts` shares of the rows, block by
 * block of BLOCK rows, each in two passes while it is in cache; blocks and then shares
 * are merged by Chan's formula in a fixed order. partial holds two rows of C a share.
 * Launches over (channel vectors, shares) or (channel vectors, groups of 16 rows). */

#include "common/vec.clh"

#ifndef BLOCK
#define BLOCK 32
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

kernel void batchnorm_moments(global const float *restrict x, global float *restrict partial, const ulong rows,
                              const int C, const int parts)
{
    const int c = (int)get_global_id(0) * VEC, part = (int)get_global_id(1), left = C - c;
    const ulong first = rows * (ulong)part / (ulong)parts, end = rows * (ulong)(part + 1) / (ulong)parts;
    vecf mean = (vecf)(0.0f), m2 = (vecf)(0.0f);
    float n = 0.0f;
    for (ulong b = first; b < end; b += BLOCK) {
        const ulong stop = b + BLOCK < end ? b + BLOCK : end;
        const float len = (float)(stop - b);
        vecf sum = (vecf)(0.0f), square = (vecf)(0.0f);
        for (ulong r = b; r < stop; r++)
            sum += vec_load(x + r * C + c, left);
        const vecf block_mean = sum / len;
        for (ulong r = b; r < stop; r++) {
            const vecf d = vec_load(x + r * C + c, left) - block_mean;
            square = fma(d, d, square);
        }
        const vecf delta = block_mean - mean;
        const float total = n + len;
        mean += delta * (len / total);
        m2 += square + delta * delta * (n * len / total);
        n = total;
    }
    vec_store(mean, partial + (ulong)(2 * part) * C + c, left);
    vec_store(m2, partial + (ulong)(2 * part + 1) * C + c, left);
}

kernel void batchnorm_merge(global const float *restrict partial, global float *restrict mean_out,
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

kernel void batchnorm_apply(global const float *restrict x, global const float *restrict gamma,
                            global const float *restrict beta, global const float *restrict mean,
                            global const float *restrict rstd, global const float *r, global float *restrict y,
                            const ulong rows, const int C, const int mode)
{
    const int c = (int)get_global_id(0) * VEC, left = C - c;
    const ulong first = (ulong)get_global_id(1) * 16, end = first + 16 < rows ? first + 16 : rows;
    const vecf m = vec_load(mean + c, left), scale = vec_load(gamma + c, left) * vec_load(rstd + c, left);
    const vecf b = vec_load(beta + c, left);
    for (ulong row = first; row < end; row++) {
        const ulong at = row * C + c;
        vec_store(finish(fma(vec_load(x + at, left) - m, scale, b), r, at, left, mode), y + at, left);
    }
}

kernel void batchnorm_eval__plain(global const float *restrict x, global const float *restrict gamma,
                                  global const float *restrict beta, global const float *restrict mean,
                                  global const float *restrict var, global const float *r, global float *restrict y,
                                  const ulong rows, const int C, const int mode, const float eps)
{
    const int c = (int)get_global_id(0) * VEC, left = C - c;
    const ulong first = (ulong)get_global_id(1) * 16, end = first + 16 < rows ? first + 16 : rows;
    const vecf m = vec_load(mean + c, left), b = vec_load(beta + c, left);
    const vecf scale = vec_load(gamma + c, left) / sqrt(vec_load(var + c, left) + eps);
    for (ulong row = first; row < end; row++) {
        const ulong at = row * C + c;
        vec_store(finish(fma(vec_load(x + at, left) - m, scale, b), r, at, left, mode), y + at, left);
    }
}

/* partial: sums of d, then of d * xhat */
kernel void batchnorm_bwd_sums(global const float *restrict x, global const float *y,
                               global const float *restrict gamma, global const float *beta,
                               global const float *restrict mean, global const float *restrict rstd,
                               global const float *restrict dy, global float *restrict partial, const ulong rows,
                               const int C, const int parts, const int mode)
{
    const int c = (int)get_global_id(0) * VEC, part = (int)get_global_id(1), left = C - c;
    const ulong first = rows * (ulong)part / (ulong)parts, end = rows * (ulong)(part + 1) / (ulong)parts;
    const vecf m = vec_load(mean + c, left), s = vec_load(rstd + c, left);
    const vecf scale = vec_load(gamma + c, left) * s;
    const vecf b = mode == RELU ? vec_load(beta + c, left) : (vecf)(0.0f);
    vecf sum = (vecf)(0.0f), product = (vecf)(0.0f);
    for (ulong row = first; row < end; row++) {
        const ulong at = row * C + c;
        const vecf xm = vec_load(x + at, left) - m;
        const vecf d = gradient(dy, y, at, left, fma(xm, scale, b), mode);
        sum += d;
        product = fma(d, xm * s, product);
    }
    vec_store(sum, partial + (ulong)(2 * part) * C + c, left);
    vec_store(product, partial + (ulong)(2 * part + 1) * C + c, left);
}

kernel void batchnorm_bwd_merge(global const float *restrict partial, global float *restrict dgamma,
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

kernel void batchnorm_bwd_apply(global const float *restrict x, global const float *y,
                                global const float *restrict gamma, global const float *beta,
                                global const float *restrict mean, global const float *restrict rstd,
                                global const float *restrict dy, global const float *restrict dgamma,
                                global const float *restrict dbeta, global float *restrict dx, global float *dr,
                                const ulong rows, const int C, const int mode)
{
    const int c = (int)get_global_id(0) * VEC, left = C - c;
    const ulong first = (ulong)get_global_id(1) * 16, end = first + 16 < rows ? first + 16 : rows;
    const float share = 1.0f / (float)rows;
    const vecf m = vec_load(mean + c, left), s = vec_load(rstd + c, left);
    const vecf sum = vec_load(dbeta + c, left) * share, product = vec_load(dgamma + c, left) * share;
    const vecf scale = vec_load(gamma + c, left) * s;
    const vecf b = mode == RELU ? vec_load(beta + c, left) : (vecf)(0.0f);
    for (ulong row = first; row < end; row++) {
        const ulong at = row * C + c;
        const vecf xm = vec_load(x + at, left) - m;
        const vecf d = gradient(dy, y, at, left, fma(xm, scale, b), mode);
        if (mode == ADD_RELU)
            vec_store(d, dr + at, left);
        vec_store(scale * (d - sum - xm * s * product), dx + at, left);
    }
}
