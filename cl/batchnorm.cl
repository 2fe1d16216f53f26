/* Batch normalisation over rows (pixels and samples) of x [rows][C], per channel:
 *   mean, var = moments over rows;  y = (x - mean) * rstd * gamma + beta
 *   dbeta = sum dy;  dgamma = sum dy * xhat;
 *   dx = gamma * rstd * (dy - dbeta / rows - xhat * dgamma / rows)
 * Moments: a work-item takes VEC channels of one of `parts` shares of the rows, block by
 * block of BLOCK rows, each in two passes while it is in cache; blocks and then shares
 * are merged by Chan's formula in a fixed order. partial holds two rows of C a share.
 * Launches over (channel vectors, shares) or (channel vectors, groups of 16 rows). */

#include "common/vec.clh"

#ifndef BLOCK
#define BLOCK 32
#endif

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
                            global const float *restrict rstd, global float *restrict y, const ulong rows, const int C)
{
    const int c = (int)get_global_id(0) * VEC, left = C - c;
    const ulong first = (ulong)get_global_id(1) * 16, end = first + 16 < rows ? first + 16 : rows;
    const vecf m = vec_load(mean + c, left), scale = vec_load(gamma + c, left) * vec_load(rstd + c, left);
    const vecf b = vec_load(beta + c, left);
    for (ulong r = first; r < end; r++)
        vec_store(fma(vec_load(x + r * C + c, left) - m, scale, b), y + r * C + c, left);
}

kernel void batchnorm_eval__plain(global const float *restrict x, global const float *restrict gamma,
                                  global const float *restrict beta, global const float *restrict mean,
                                  global const float *restrict var, global float *restrict y, const ulong rows,
                                  const int C, const float eps)
{
    const int c = (int)get_global_id(0) * VEC, left = C - c;
    const ulong first = (ulong)get_global_id(1) * 16, end = first + 16 < rows ? first + 16 : rows;
    const vecf m = vec_load(mean + c, left), b = vec_load(beta + c, left);
    const vecf scale = vec_load(gamma + c, left) / sqrt(vec_load(var + c, left) + eps);
    for (ulong r = first; r < end; r++)
        vec_store(fma(vec_load(x + r * C + c, left) - m, scale, b), y + r * C + c, left);
}

/* partial: sums of dy, then of dy * xhat */
kernel void batchnorm_bwd_sums(global const float *restrict x, global const float *restrict mean,
                               global const float *restrict rstd, global const float *restrict dy,
                               global float *restrict partial, const ulong rows, const int C, const int parts)
{
    const int c = (int)get_global_id(0) * VEC, part = (int)get_global_id(1), left = C - c;
    const ulong first = rows * (ulong)part / (ulong)parts, end = rows * (ulong)(part + 1) / (ulong)parts;
    const vecf m = vec_load(mean + c, left), s = vec_load(rstd + c, left);
    vecf sum = (vecf)(0.0f), product = (vecf)(0.0f);
    for (ulong r = first; r < end; r++) {
        const vecf d = vec_load(dy + r * C + c, left);
        sum += d;
        product = fma(d, (vec_load(x + r * C + c, left) - m) * s, product);
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

kernel void batchnorm_bwd_apply(global const float *restrict x, global const float *restrict gamma,
                                global const float *restrict mean, global const float *restrict rstd,
                                global const float *restrict dy, global const float *restrict dgamma,
                                global const float *restrict dbeta, global float *restrict dx, const ulong rows,
                                const int C)
{
    const int c = (int)get_global_id(0) * VEC, left = C - c;
    const ulong first = (ulong)get_global_id(1) * 16, end = first + 16 < rows ? first + 16 : rows;
    const float share = 1.0f / (float)rows;
    const vecf m = vec_load(mean + c, left), s = vec_load(rstd + c, left);
    const vecf a = vec_load(dbeta + c, left) * share, b = vec_load(dgamma + c, left) * share;
    const vecf scale = vec_load(gamma + c, left) * s;
    for (ulong r = first; r < end; r++) {
        const vecf xhat = (vec_load(x + r * C + c, left) - m) * s;
        vec_store(scale * (vec_load(dy + r * C + c, left) - a - xhat * b), dx + r * C + c, left);
    }
}
