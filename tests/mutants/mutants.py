"""Kernels made wrong on purpose, through the kernel folder: the operator suite must fail on
each of them, and pass on an unchanged copy. A mutant: operator, file, text, replacement;
`nth` says which occurrence. Usage: mutants.py OP_SUITE"""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

CL = pathlib.Path(__file__).resolve().parents[2] / "cl"
MUTANTS = [
    # the last row, tap, channel, batch entry; a sign; a stride
    ("conv2d_fwd", "conv2d.cl", "const long rows = (long)P * Q * N, row_tiles", "const long rows = (long)P * Q * N - 1, row_tiles"),
    ("conv2d_fwd", "conv2d.cl", "tap < R * S; tap++", "tap + 1 < R * S; tap++"),
    ("conv2d_fwd", "conv2d.cl", "for (; c < C; c++, b += KT)", "for (; c + 1 < C; c++, b += KT)"),
    ("conv2d_fwd", "conv2d.cl", "u < 4; u++", "u < 3; u++"),
    ("conv2d_fwd", "common/window.clh", "r * step_h + off_h", "r * step_h - off_h"),
    ("conv2d_fwd", "common/window.clh", "s * step_w + off_w", "s * step_w - off_w"),
    ("conv2d_fwd", "common/window.clh", "p * mul_h", "p * (mul_h + 1)"),
    ("conv2d_fwd", "common/window.clh", "q * mul_w", "(q * mul_w + 1)"),
    ("conv2d_fwd", "conv2d.cl", "if (k < columns &&", "if (k + 1 < columns &&"),
    ("conv2d_fwd", "conv2d.cl", "+ (long)g * columns + k]", "+ (long)k]"),
    ("conv2d_fwd", "conv2d.cl", "to[c] = pixel < 0 ? 0.0f : from[c]", "to[c] = from[pixel < 0 ? 0 : c]"),
    ("conv2d_bwd_data", "conv2d.cl", "v = transposed ?", "v = !transposed ?"),
    ("conv2d_fwd", "conv2d.cl", "i == 0 || row_n[i] == 0", "i == 0"),
    ("conv2d_fwd", "conv2d.cl", "row_q[i - 1] + wrap == Q)", "row_q[i - 1] == Q)"),
    ("conv2d_fwd", "conv2d.cl", "in_block - panel * size", "in_block - panel * block"),
    ("conv2d_bwd_filter", "conv2d_filter.cl", "left_rows > 0; left_rows--", "left_rows > 1; left_rows--"),
    ("conv2d_bwd_filter", "conv2d_filter.cl", "-pad_h, -pad_w, 1, 1", "-pad_h, pad_w, 1, 1"),
    ("conv2d_bwd_filter", "conv2d.cl", "s < splits; s++", "s + 1 < splits; s++"),
    ("conv2d_bwd_filter", "conv2d_filter.cl", "c0 + m < C ? c0 + m : C - 1", "c0"),
    ("conv2d_fwd", "conv2d_winograd.cl", "for (int r = 0; r < rows; r++)\n                transform_output", "for (int r = 1; r < rows; r++)\n                transform_output"),
    ("conv2d_fwd", "conv2d_winograd.cl", "for (; c < C; c++, b += KT)", "for (; c + 1 < C; c++, b += KT)"),
    ("conv2d_fwd", "conv2d_winograd.cl", "tile % tiles_q * MUL * TILE + off_w", "tile % tiles_q * MUL * TILE - off_w"),
    ("conv2d_fwd", "conv2d_winograd.cl", "tile % tiles_q * MUL * TILE + off_w", "tile % tiles_q * MUL * TILE - off_w", 2),
    ("conv2d_fwd", "conv2d_winograd.cl", "channels, c0 > 0, count", "channels, 0, count"),
    ("conv2d_fwd", "conv2d_winograd.cl", "r + TAIL < rows", "r + TAIL + 1 < rows"),
    ("conv2d_fwd", "conv2d_winograd.cl", "if (r < rows)", "if (r + 1 < rows)"),
    ("conv2d_bwd_data", "common/vec.clh", "n[2 * i].odd = m[i + VEC / 2].lo", "n[2 * i].odd = m[i].lo"),
    ("conv2d_bwd_filter", "conv2d_winograd_filter.cl", "(int)(row - first),", "(int)(row - first) - 1,"),
    ("conv2d_bwd_filter", "conv2d_winograd_filter.cl", "first ? (vecf)(0.0f)", "1 ? (vecf)(0.0f)"),
    ("conv2d_bwd_filter", "conv2d_winograd_filter.cl", "N - n0 < most ? N - n0 : (int)most", "(int)most"),
    ("conv2d_bwd_filter", "common/winograd.clh", "T(2) = s2 - s1 + U(5)", "T(2) = s2 + s1 + U(5)"),
    ("conv2d_fwd", "common/winograd.clh", "T(4) = even - odd", "T(4) = even + odd"),
    ("conv2d_bwd_data", "conv2d_winograd.cl", "(8 - tap) * K", "tap * K"),
    ("conv2d_fwd", "common/winograd.clh", "D(2 * m + 1)", "D(2 * m)"),
    ("conv2d_fwd", "common/winograd.clh", "T(1) = (A) + (C);", "T(1) = (A) - (C);"),
    ("conv2d_fwd", "common/winograd.clh", "M(3), d1) + M(4);", "M(3), d1) - M(4);"),
    ("conv2d_bwd_data", "common/winograd.clh", "T(TILE + 1 + m) = D(m);", "T(TILE + 1 + m) = D(m + 1);"),
    ("conv2d_bwd_data", "conv2d_winograd.cl", "at.tile % tiles_q * OUT_SIDE", "at.tile % tiles_q * TILE"),
    ("conv2d_bwd_filter", "common/winograd.clh", "PAIR_FILTER_TRANSPOSED(T(0), T(2), U)", "PAIR_FILTER_TRANSPOSED(T(2), T(0), U)"),
    ("conv2d_bwd_filter", "conv2d_winograd_filter.cl", "place % SIDE < FILTER_SIDE", "1"),
    ("conv2d_bias_fwd", "common/epilogue.clh", "v + vec_load(bias, left)", "v - vec_load(bias, left)"),
    ("conv2d_bias_fwd", "common/epilogue.clh", "sum <= 0.0f", "sum <= -0.1f"),
    ("conv2d_bias_fwd", "conv2d_winograd.cl", "bias + v * VEC", "bias"),
    ("conv2d_bias_fwd", "conv2d_winograd.cl", "bias + (long)at.g * K", "bias"),
    ("conv2d_bias_fwd", "conv2d_winograd.cl", "bias + panel * KT", "bias"),
    ("conv2d_bias_fwd", "conv2d.cl", "bias + (long)g * K + k", "bias + k"),
    ("conv2d_bias_fwd", "conv2d_thin.cl", "bias + k0 + v * VEC", "bias + v * VEC"),
    ("conv2d_bias_fwd", "conv2d_depthwise.cl", "bias + c + i % VECTORS * VEC", "bias + i % VECTORS * VEC"),
    ("linear_bias_fwd", "conv2d_direct.cl", "row + depth < all ? 0 : epilogue", "epilogue"),
    ("conv2d_fwd", "conv2d.cl", "P == H && Q == W", "Q == W"),
    ("conv2d_fwd", "conv2d.cl", "P == H && Q == W", "P == H"),
    ("conv2d_fwd", "conv2d.cl", "&& off_h == 0 && off_w == 0;", "&& off_w == 0;"),
    ("conv2d_fwd", "conv2d.cl", "&& off_h == 0 && off_w == 0;", "&& off_h == 0;"),
    ("conv2d_fwd", "conv2d.cl", "* in_row + (long)g * C;", "* in_row;"),
    ("conv2d_fwd", "conv2d_thin.cl", "n = N - PT;", "n = N - PT - 1;"),
    ("conv2d_fwd", "conv2d_thin.cl", "c < C; c++, b += KT", "c + 1 < C; c++, b += KT"),
    ("conv2d_fwd", "conv2d_thin.cl", "w0 + s * step_w", "w0 - s * step_w"),
    ("conv2d_bwd_filter", "conv2d_thin.cl", "n < N; n++, d += K", "n + 1 < N; n++, d += K"),
    ("conv2d_bwd_filter", "conv2d_thin.cl", "* N * C + m % C : zeros", "* N * C : zeros"),
    ("conv2d_fwd", "conv2d_winograd.cl", "vec_put(with_epilogue(y[", "vec_put((stream ? 2.0f : 1.0f) * with_epilogue(y["),
    ("conv2d_fwd", "conv2d.cl", "vec_put(VALUE, o", "vec_put((stream ? 2.0f : 1.0f) * VALUE, o"),
    ("conv2d_fwd", "conv2d_thin.cl", "vec_put(with_epilogue(acc[i][v]", "vec_put((stream ? 2.0f : 1.0f) * with_epilogue(acc[i][v]"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "vec_put(with_epilogue(acc[i / VECTORS]", "vec_put((stream ? 2.0f : 1.0f) * with_epilogue(acc[i / VECTORS]"),
    ("batchnorm_relu_fwd", "batchnorm.cl", "vec_put(finish(", "vec_put((stream ? 2.0f : 1.0f) * finish("),
    ("batchnorm_relu_bwd", "batchnorm.cl", "vec_put(scale[v]", "vec_put((stream ? 2.0f : 1.0f) * scale[v]"),
    ("maxpool_fwd", "pool.cl", "vec_put(best,", "vec_put((stream ? 2.0f : 1.0f) * best,"),
    ("avgpool_bwd", "pool.cl", "vec_put(sum / (float)(window_h * window_w), dx", "vec_put((stream ? 2.0f : 1.0f) * sum / (float)(window_h * window_w), dx"),
    ("gather", "gather.cl", "VSTREAM(VALUES(", "VSTREAM(2.0f * VALUES("),
    ("gather", "gather.cl", "vec_put(VALUES(", "vec_put((stream ? 2.0f : 1.0f) * VALUES("),
    ("add_fwd", "add.cl", "PUT(LOAD(a)", "PUT((stream ? 2.0f : 1.0f) * LOAD(a)"),
    ("relu_bwd", "common/span.clh", "vec_put(v,", "vec_put((stream ? 2.0f : 1.0f) * (v),"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "#define WHOLE(p) VLOAD(p)", "#define WHOLE(p) VLOAD((p) + 1)"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "for (; n < n_end; n++)", "for (; n + 1 < n_end; n++)"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "n = n_end - SAMPLES;", "n = n0;"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "* mul_w + after < W", "* mul_w + after < W + 1"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "mul_w + before >= 0", "mul_w + before >= -1"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "next = (long)mul_w * N * C", "next = (long)N * C"),
    ("conv2d_bwd_filter", "conv2d_depthwise.cl", "next = (long)stride_w * N * C", "next = (long)N * C"),
    ("conv2d_bwd_filter", "conv2d_depthwise.cl", "(W - 1 - reach - w0) / stride_w + 1", "(W - reach - w0) / stride_w + 1"),
    ("conv2d_bwd_data", "conv2d_depthwise.cl", "div_w == 1 &&", ""),
    ("conv2d_fwd", "conv2d_depthwise.cl", "q0 = (int)(unit % spans) * span", "q0 = 0"),
    ("conv2d_bwd_data", "conv2d_depthwise.cl", "tap[valid++] = r * S + s", "tap[valid++] = 0"),
    ("conv2d_bwd_filter", "conv2d_depthwise.cl", "tap[t] = taps;", "tap[t] = 0;"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "(uint)(top + a) < (uint)H", "(uint)(top + a) <= (uint)H"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "(uint)(left_edge + b) < (uint)W", "left_edge + b < W"),
    ("conv2d_bwd_data", "conv2d_depthwise.cl", "flip ? WINDOW * WINDOW - 1 - t : t", "t"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "columns >= TILE_Q;", "columns >= TILE_Q - 1;"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "&& rows >= TILE_P &&", "&&"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "i / TILE_Q < rows &&", ""),
    ("conv2d_fwd", "conv2d_depthwise.cl", "i % TILE_Q < columns)", "1)"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "left = C % VEC;", "left = 0;"),
    ("conv2d_bias_fwd", "conv2d_depthwise.cl", "bias + c, left, epilogue)", "bias, left, epilogue)"),
    ("conv2d_bias_fwd", "conv2d_depthwise.cl", "stream && !epilogue &&", "stream &&"),
    ("conv2d_fwd", "conv2d_depthwise.cl", "VSTREAM(acc[i / TILE_Q]", "VSTREAM(2.0f * acc[i / TILE_Q]"),
    ("conv2d_bwd_data", "common/window.clh", "h * div_h != nh ||", ""),
    ("linear_fwd", "conv2d_direct.cl", "if (i < rows) {", "if (i <= rows) {"),
    ("linear_bwd_data", "conv2d_direct.cl", "if (C % VEC)", "if (0)"),
    ("linear_bwd_data", "conv2d_direct.cl", "j < VEC - C % VEC ? 0 : -1", "-1"),
    ("linear_bwd_data", "conv2d_direct.cl", "min(k + 1, left - 1)", "min(k, left - 1)"),
    ("linear_bwd_data", "conv2d_direct.cl", "in + (long)min(m0 + i, M - 1) * C;", "in + (long)min(m0, M - 1) * C;"),
    ("linear_bwd_data", "conv2d_direct.cl", "out + (z * M + m0 + i) * K", "out + (m0 + i) * K"),
    ("linear_bwd_data", "common/vec.clh", "m[2 * i].odd, m[2 * i + 1].odd", "m[2 * i].even, m[2 * i + 1].odd"),
    ("linear_bwd_filter", "conv2d_direct.cl", "copy ? KT : C, sums", "C, sums"),
    ("linear_bwd_filter", "conv2d_direct.cl", "(channels - c - i) * K >= VEC ?", "(channels - c - i) * K > 0 ?"),
    ("linear_bwd_filter", "conv2d_direct.cl", "i < VEC && c + i < channels", "i < VEC"),
    ("linear_bwd_filter", "conv2d_direct.cl", "dw + ((long)t * C + c0) * K;", "dw + (long)c0 * K;"),
    ("linear_fwd", "conv2d_direct.cl", "t < T && first", "t + 1 < T && first"),
    ("linear_fwd", "conv2d_direct.cl", "depth, row > 0", "depth, c0 > 0"),
    ("linear_fwd", "conv2d_direct.cl", "copy ? KT : K,", "KT,"),
    ("linear_bwd_data", "conv2d_direct.cl", "(z * K + k) * C + c0 + c", "k * C + c0 + c"),
    ("linear_bwd_filter", "conv2d_direct.cl", "set != copied", "copied < 0"),
    ("linear_bwd_filter", "conv2d_direct.cl", "dy + (first + p) * KT", "dy + first * KT"),
    ("linear_bwd_filter", "conv2d_direct.cl", "direct_rows(columns, 1, XB, panel + (long)p * M * KT", "direct_rows(columns, 1, XB, panel"),
    ("linear_bwd_filter", "conv2d_direct.cl", "c0 = (int)(unit % blocks) * XB", "c0 = 0"),
    ("matmul", "conv2d_direct.cl", "/ blocks) * KT, m0 = (int)(unit % blocks) * MB", "/ blocks) * KT, m0 = 0"),
    ("conv2d_fwd", "conv2d_winograd.cl", "(long)u.g * C", "0"),
    ("conv2d_bwd_data", "conv2d_winograd.cl", "w += (long)g *", "w += 0 *"),
    ("conv2d_bwd_filter", "conv2d_winograd_filter.cl", "*dy_block = dy + g * K", "*dy_block = dy"),
    ("linear_fwd", "conv2d.cl", "tap < R * S; tap++", "tap + 1 < R * S; tap++"),
    ("matmul", "conv2d.cl", "for (; c < C; c++, b += KT)", "for (; c + 1 < C; c++, b += KT)"),
    ("batchnorm_fwd", "batchnorm.cl", "r < stop; r++", "r + 1 < stop; r++"),
    ("batchnorm_fwd", "batchnorm.cl", "m2 / (n - 1.0f)", "m2 / n"),
    ("batchnorm_fwd", "batchnorm.cl", "m2 / n + eps", "m2 / n"),
    ("batchnorm_bwd", "batchnorm.cl", "- sum[v] - xm", "- sum[v] + xm"),
    ("batchnorm_bwd", "batchnorm.cl", "b > first ? vec_load", "b < first ? vec_load"),
    ("batchnorm_fwd", "batchnorm.cl", "delta * delta * (n * len / total)));", "delta * delta * (n * len)));"),
    ("batchnorm_bwd", "batchnorm.cl", "part < parts; part++", "part + 1 < parts; part++", 2),
    ("batchnorm_relu_fwd", "batchnorm.cl", "v <= 0.0f) : v", "v < -1.0f) : v"),
    ("batchnorm_add_relu_fwd", "batchnorm.cl", "v += vec_load(r + at, left)", "v -= vec_load(r + at, left)"),
    ("batchnorm_add_relu_eval", "batchnorm.cl", "v += vec_load(r + at, left)", ""),
    ("batchnorm_relu_bwd", "batchnorm.cl", "mode == RELU ? v : vec_load(y + at, left)", "vec_load(y + at, left)"),
    ("batchnorm_relu_bwd", "batchnorm.cl", "mode == RELU ? OF(beta) : (vecf)(0.0f)", "(vecf)(0.0f)", 2),
    ("batchnorm_add_relu_bwd", "batchnorm.cl", "vec_put(d, dr + at, LEFT, stream)", "vec_store(d + d, dr + at, LEFT)"),
    ("batchnorm_eval", "batchnorm.cl", "sqrt(OF(var) + eps)", "sqrt(OF(var))"),
    ("maxpool_fwd", "pool.cl", "h < h_end; h++", "h + 1 < h_end; h++"),
    ("maxpool_fwd", "pool.cl", "% Q * stride_w - pad_w", "% Q * stride_w + pad_w"),
    ("maxpool_bwd", "pool.cl", "p <= p1", "p < p1"),
    ("avgpool_fwd", "pool.cl", "s < window_w; s++", "s + 1 < window_w; s++"),
    ("avgpool_bwd", "pool.cl", "q <= q1", "q < q1", 2),
    ("globalpool_fwd", "pool.cl", "p = begin; p < end", "p = begin; p + 1 < end"),
    ("globalpool_fwd", "pool.cl", "sum[v] += VLOAD(from + v * VEC)", "sum[v] += VLOAD(from)"),
    ("globalpool_fwd", "pool.cl", "part = 1; part < parts", "part = 2; part < parts"),
    ("globalpool_bwd", "pool.cl", "vec_load(dy + i, left) /", "-vec_load(dy + i, left) /"),
    ("bias_fwd", "bias.cl", "vec_load(x + r * C + c, C - c) + v", "vec_load(x + r * C + c, C - c) - v"),
    ("bias_relu_fwd", "bias.cl", "v <= 0.0f), y", "v <= -1.0f), y"),
    ("bias_relu_bwd", "bias.cl", "> 0.0f)", "> 0.5f)"),
    ("bias_relu_bwd", "bias.cl", "sum += d;", "sum += VEC * d;"),
    ("bias_relu_bwd", "bias.cl", "rows * (ulong)(part + 1) /", "rows * (ulong)part /"),
    ("bias_bwd", "reduce.cl", "p < parts; p++", "p + 1 < parts; p++"),
    ("reduce_rows", "reduce.cl", "r < end; r++", "r + 1 < end; r++"),
    ("reduce_sum", "reduce.cl", "float sum = partial[c]", "float sum = 0.0f"),
    ("gelu_fwd", "gelu.cl", "erfc(-0.70710678f", "erfc(0.70710678f"),
    ("gelu_bwd", "gelu.cl", "+ v * 0.39894228f", "- v * 0.39894228f"),
    ("dropout_fwd", "dropout.cl", ">= p ?", "< p ?"),
    ("dropout_bwd", "dropout.cl", "* scale", "* 1.0f"),
    ("gather", "gather.cl", "{h + g.dy,", "{h - g.dy,"),
    ("gather", "gather.cl", "g.flip ? W - 1 :", "g.flip ? W :"),
    ("gather", "gather.cl", "order[offset < last - n0 - j ? offset + n0 + j : last]", "order[offset + n0 + j]"),
    ("gather", "gather.cl", "clamp(g.flip ? at + columns : W - at, begin, columns)", "columns"),
    ("gather", "gather.cl", "h + r.dy", "h - r.dy"),
    ("gather", "gather.cl", "g.flip ? columns - 1 : 0", "0"),
    ("gather", "gather.cl", "columns - W : -at", "columns - W : at"),
    ("gather", "gather.cl", "at + columns - W : -at", "at + columns : -at"),
    ("gather", "gather.cl", "columns - TOGETHER - i", "columns - TOGETHER - 1 - i"),
    ("gather", "gather.cl", "columns - 1 - i) * CHANNELS + c", "columns - 2 - i) * CHANNELS + c"),
    ("gather", "gather.cl", "line[i] = 0;", "line[i] = 1;"),
    ("gather", "gather.cl", "line[i] = 0;", "line[i] = 1;", 2),
    ("gather", "gather.cl", "(uchar16)(v.s01, v.s45, v.s89, v.scd, v.s01234567)", "(uchar16)(v.s01, v.s45, v.scd, v.s89, v.s01234567)"),
    ("gather", "gather.cl", "v.s012, v.s456, v.s89a,", "v.s012, v.s456, v.s9ab,"),
    ("gather", "gather.cl", "v.s012, v.s0, v.s345,", "v.s012, v.s0, v.s456,"),
    ("gather", "gather.cl", "v.s9ab, v.s9, v.s678,", "v.s9ab, v.s9, v.s789,"),
    ("gather", "gather.cl", "v.sfedcba9876543210", "v"),
    ("gather", "gather.cl", "v.scdef, v.s89ab, v.s4567", "v.scdef, v.s4567, v.s89ab"),
    ("gather", "gather.cl", "ab[u / 2].hi, cd[u / 2].hi", "ab[u / 2].lo, cd[u / 2].hi"),
    ("gather", "gather.cl", "|| j == samples - 1)", ")"),
    ("gather", "gather.cl", "const int v = k % (VEC * CHANNELS)", "const int v = 0"),
    ("gather", "gather.cl", "VLOAD(factor + v * VEC)", "VLOAD(factor)"),
    ("gather", "gather.cl", "part[j + v] + i", "part[j] + i"),
    ("gather", "gather.cl", "min(s.cut_to - w0, columns)", "min(s.cut_to, columns)"),
    ("gather", "gather.cl", "-norm[c] * norm", "norm[c] * norm"),
    ("gather_labels", "gather.cl", "split == 0 ? labels", "split != 1 ? -labels"),
    ("gather_labels", "gather.cl", "label < 0 ? 0.0f", "label < -1 ? 0.0f"),
    ("gather_float", "gather.cl", "norm[c]) * norm[CHANNELS + c]", "norm[c])"),
    ("shift", "shift.cl", "(r.v[i] >> 24)", "(r.v[i] >> 25)"),
    ("shift", "shift.cl", "strength * (bytes ? norm[C + c] : deviations)", "strength * norm[C + c]"),
    ("shift", "shift.cl", "(uint)id[n], STREAM_SHIFT, word, 0, 0));", "(uint)n, STREAM_SHIFT, word, 0, 0));"),
    ("shift", "shift.cl", "bytes ? fmin(", "0 ? fmin("),
    ("shift", "shift.cl", "m + strength", "m - strength"),
    ("shift", "shift.cl", "r.v[1] >> 31 ? columns : -columns", "r.v[1] >> 31 ? -columns : columns"),
    ("shift", "shift.cl", "bytes ? -norm[c] * norm[C + c] : 0.0f", "0.0f"),
    ("shift", "shift.cl", "h < top + rows && w", "h + 1 < top + rows && w"),
    ("shift", "shift.cl", "W - columns + 1", "W - columns"),
    ("shift", "shift.cl", "min(reach, length - 1 - place)", "min(reach - 1, length - 1 - place)"),
    ("shift", "shift.cl", "/ half_width) / all", "/ half_width) / half_width"),
    ("shift", "shift.cl", "pixel / step % length", "pixel % length"),
    ("segment_rows", "segment.cl", "y[n] < g", "y[n] <= g"),
    ("segment_fwd", "segment.cl", "d < D; d++", "d + 1 < D; d++"),
    ("segment_fwd", "segment.cl", "b[(ulong)g * T + t]", "b[t]"),
    ("segment_bwd_data", "segment.cl", "t < T; t++", "t + 1 < T; t++"),
    ("segment_bwd_filter", "segment.cl", "i < end; i++", "i + 1 < end; i++"),
    ("batchnorm_relu_apply", "batchnorm.cl", "v <= 0.0f) : v", "v < -1.0f) : v"),
    ("batchnorm_add_relu_apply", "batchnorm.cl", "v += vec_load(r + at, left)", ""),
    ("batchnorm_apply", "batchnorm.cl", "scale[v], b[v]), r, at", "scale[v], -b[v]), r, at"),
    # an output in its input's place: read before it is written
    ("relu_fwd", "relu.cl", "const vecf v = LOAD(x);", "STORE((vecf)(1.0f), y); const vecf v = LOAD(x);"),
    ("batchnorm_relu_bwd", "batchnorm.cl", "const vecf xm = vec_load(x + at, LEFT) - m[v];", "vec_store(m[v], dx + at, LEFT); const vecf xm = vec_load(x + at, LEFT) - m[v];", 2),
    ("relu_bwd", "relu.cl", "LOAD(y) > 0.0f", "LOAD(y) < 0.0f"),
    ("add_fwd", "add.cl", "LOAD(a) + LOAD(b)", "LOAD(a) - LOAD(b)"),
    ("relu_fwd", "common/span.clh", "i += VEC)", "i += 2 * VEC)"),
    ("relu_fwd", "common/vec.clh", "j < left ? p[j]", "j + 1 < left ? p[j]"),
    ("matmul", "common/share.clh", "*end = count * (id + 1) / items;", "*end = count * (id + 1) / items - 1;"),
    ("dropout_fwd", "common/philox.clh", "k0 += PHILOX_W0", "k0 -= PHILOX_W0"),
    ("matmul", "common/tile.clh", "i < ROWS", "i + 1 < ROWS"),
    ("accumulate", "accumulate.cl", "first_time ?", "!first_time ?"),
    ("accumulate", "accumulate.cl", "LOAD(sum) + LOAD(g)", "LOAD(sum) - LOAD(g)"),
    ("head_loss", "common/head.clh", "+ 1.0f - e)", "+ 1.0f)"),
    ("head_loss", "common/head.clh", "select(-q", "select(q"),
    ("head_loss", "common/head.clh", "p - 1.0f / (float)K", "p"),
    ("head_loss", "common/head.clh", "(vecf)(1.0f), one) - p", "(vecf)(1.0f), one) + p"),
    ("head_loss", "common/head.clh", "one) + s->entropy)", "one) - s->entropy)"),
    ("head_loss", "common/head.clh", "z_t >= rest->after", "z_t > rest->after + 1.0f"),
    ("head_loss", "common/head.clh", "s.log_miss - s.rest_log_sum + rest", "s.log_miss + rest"),
    ("head_loss", "common/head.clh", "select(more, less * more, ahead)", "more"),
    ("head_loss", "common/label.clh", "c3 ^= h0 ^ key_hi", "c3 ^= h0"),
    ("head_loss", "head_loss.cl", "r < rows ? r : rows - 1", "0"),
    ("head_loss", "head_loss.cl", "t == j + c)", "t == j)"),
    ("head_loss", "common/head.clh", "(j != t) & (j < K)", "(j < K)"),
    ("head_loss", "common/head.clh", "(j != t) & (j < K)", "(j != t)"),
    ("head_loss", "head_loss.cl", "j < K; j += VEC", "j + VEC < K; j += VEC", 5),
    ("head_loss", "head_loss.cl", "head[6] ? epoch + 1 : 0", "0"),
    ("head_loss", "head_loss.cl", "share * scale * feature", "share * feature"),
    ("head_large_fwd", "common/head.clh", "fma(db, b.sum, b.weighted)", "b.weighted"),
    ("head_large_fwd", "common/head.clh", "fb * fb * b.square", "fb * b.square"),
    ("head_large_fwd", "common/head.clh", "a->before = fmax", "a->before = fmin"),
    ("head_large_fwd", "head_large.cl", "k == c.first", "0"),
    ("head_large_fwd", "head_large.cl", "for (; l < L; l++", "for (; l + 1 < L; l++"),
    ("head_large_fwd", "head_large.cl", "i < count; i++", "i + 1 < count; i++"),
    ("head_large_fwd", "head_large.cl", "z[t - k] + b[t]", "z[t - k]"),
    ("head_large_fwd", "head_large.cl", "c.head++)", "c.head = c.head)"),
    ("head_large_fwd", "head_large.cl", "head[6] ? epoch + 1 : 0", "0"),
    ("head_large_bwd_probe", "head_large.cl", "K : c.first + columns", "c.first + columns : c.first + columns"),
    ("head_large_bwd", "head_large.cl", "D - d, add)", "D - d, 1)"),
    ("head_large_bwd", "head_large.cl", "D - d, add)", "D - d, 0)"),
    ("head_large_bwd", "head_large.cl", "item < items; item++", "item + 1 < items; item++"),
    ("head_large_bwd", "head_large.cl", "share * scale * feature", "share * feature"),
    ("head_large_bwd", "head_large.cl", "d < D ? P", "d + 1 < D ? P"),
    ("head_large_bwd_probe", "head_large.cl", "n < N; n++)\n            sum", "n + 1 < N; n++)\n            sum"),
    ("head_large_bwd_probe", "head_large.cl", "share * own, j < K", "own, j < K"),
    ("head_large_bwd_probe", "head_large.cl", "x[i % N * D + i / N]", "x[i]"),
    ("ledger", "ledger.cl", "row[5] > hit", "row[5] < hit"),
    ("ledger", "ledger.cl", "row[1] += s[0]", "row[1] -= s[0]"),
    ("metrics", "metrics.cl", "n < N; n++", "n + 1 < N; n++"),
    ("sgd", "sgd.cl", "(vecf)(-lr)", "(vecf)(lr)"),
    ("sgd", "sgd.cl", "fma((vecf)(momentum), v, d)", "v"),
    ("adamw", "adamw.cl", "* shrink -", "-"),
    ("adamw", "adamw.cl", "shrink - rate", "shrink + rate"),
    ("adamw", "adamw.cl", "fma(sqrt(second), (vecf)(root), (vecf)(eps))", "sqrt(second)"),
    ("ema", "ema.cl", "LOAD(p) - v", "LOAD(p) + v"),
]
# Of the form for GPUs: a slice or pixel too few, the transposing store, the other buffer, columns, rows
GROUPS = "tile:group=64,depth=8,vectors=2,rows=8"
GROUP_MUTANTS = [
    ("conv2d_fwd", "conv2d.cl", "c0 < C; c0 += DEPTH", "c0 + DEPTH < C; c0 += DEPTH"),
    ("conv2d_fwd", "conv2d.cl", "i <= few_pixels", "i < few_pixels"),
    ("conv2d_fwd", "conv2d.cl", "+ OWN(j) / (DEPTH / VEC)] = t[u]", "+ OWN(j) / (DEPTH / VEC)] = t[0]"),
    ("conv2d_fwd", "conv2d.cl", "at ^= 1", "at ^= 0"),
    ("conv2d_bwd_data", "conv2d.cl", "            ROWS_AT(r, s, any)\n            LOAD_SLICES\n            STORE_SLICES(0)", ""),
    ("matmul", "common/tile.clh", "v * GROUP_COLUMNS + item_column", "v * GROUP_COLUMNS"),
    ("conv2d_bwd_filter", "conv2d_filter.cl", "row_p[j] += !row_q[j]", "row_p[j] += 0"),
    ("conv2d_bwd_filter", "conv2d_filter.cl", "c0 + item_row * PT + i", "c0 + i"),
    ("conv2d_bwd_filter", "conv2d_filter.cl", "row_n[j] += DEPTH", "row_n[j] += DEPTH - 1"),
]


# The variant whose file it is; what other files are for, all of them try.
VARIANTS = {"conv2d_filter.cl": "tile", "conv2d_direct.cl": "direct", "conv2d_thin.cl": "thin",
            "conv2d_depthwise.cl": "depthwise", "conv2d_winograd.cl": "winograd", "conv2d_winograd_filter.cl": "winograd"}


def mutate(folder, file, old, new, nth=1):
    """Makes a file in a copy of cl/ wrong."""
    path = folder / file
    parts = path.read_text().split(old)
    if len(parts) <= nth:
        sys.exit(f"{file} has no {nth}. '{old}': the list of mutants is out of date")
    path.write_text(old.join(parts[:nth]) + new + old.join(parts[nth:]))


def passes(suite, kernels, operator, variant, **more):
    env = {**os.environ, "ROTE_TEST_VARIANT": variant, "ROTE_KERNELS": str(kernels), "ROTE_TEST_OP": operator,
           "ROTE_TEST_GRADIENTS": "0", "ROTE_NO_CACHE": "1",
           "POCL_EXTRA_BUILD_FLAGS": "-cl-opt-disable",  # most of the time went to compiling
           **more}
    try:
        return subprocess.run([suite], env=env, capture_output=True, text=True, timeout=600).returncode == 0
    except subprocess.TimeoutExpired:
        return False  # a loop that does not end is found


def survives(suite, folder, operator, file, old, new, *nth, variant):
    """The mutants share a driver's cache: what a mutation does not touch is compiled once."""
    shutil.copytree(CL, folder)
    mutate(folder, file, old, new, *nth)
    passed = passes(suite, folder, operator, variant, POCL_CACHE_DIR=str(folder.parent / "cache"))
    shutil.rmtree(folder)
    return f"{operator}: '{old}' -> '{new}' in {file}" if passed else None


def main():
    suite = sys.argv[1]
    temp = pathlib.Path(tempfile.mkdtemp(prefix="rote-mutants-"))
    try:
        shutil.copytree(CL, temp / "same")
        if not passes(suite, temp / "same", "", "default"):
            sys.exit("the suite fails on an unchanged copy of the kernels")
        mutants = [(m, VARIANTS.get(m[1], "kernels")) for m in MUTANTS] + [(m, GROUPS) for m in GROUP_MUTANTS]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = [pool.submit(survives, suite, temp / str(i), *m, variant=variant)
                    for i, (m, variant) in enumerate(mutants)]
            survivors = [s for s in (job.result() for job in jobs) if s]
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants were caught")
    for s in survivors:
        print("survived:", s)
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
