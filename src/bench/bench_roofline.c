/* The roofline as an SVG: floating-point operations a byte against GFLOP/s, both logarithmic; no
 * point of direct arithmetic on data from memory can be above the two roofs. */
#include <math.h>
#include <string.h>

#include "bench/bench.h"

#define WIDTH 900.0
#define HEIGHT 460.0
#define LEFT 64.0
#define RIGHT 20.0
#define TOP 20.0
#define BOTTOM 44.0

/* Decades that the axes cover. */
struct axes {
    double x0, x1, y0, y1;
};

static double at_x(const struct axes *a, double v)
{
    return LEFT + (log10(v) - a->x0) / (a->x1 - a->x0) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const struct axes *a, double v)
{
    return HEIGHT - BOTTOM - (log10(v) - a->y0) / (a->y1 - a->y0) * (HEIGHT - TOP - BOTTOM);
}

static struct axes axes_of(const json_t *o)
{
    const json_t *peak = json_object_get(o, "peak");
    double gflops = bench_number(peak, "gflops"), ridge = gflops / bench_number(peak, "gb_s");
    double x0 = ridge / 10, x1 = ridge * 10, y0 = gflops / 100, y1 = gflops;
    size_t i, j;
    json_t *row, *v;
    json_array_foreach(json_object_get(o, "operators"), i, row) {
        double x = bench_number(row, "flops") / bench_number(row, "bytes");
        x0 = x < x0 ? x : x0;
        x1 = x > x1 ? x : x1;
        json_array_foreach(json_object_get(row, "variants"), j, v) {
            double y = bench_number(v, "gflops");
            y0 = y < y0 ? y : y0;
            y1 = y > y1 ? y : y1;
        }
    }
    return (struct axes){floor(log10(x0)), ceil(log10(x1)), floor(log10(y0)), ceil(log10(y1 * 1.2))};
}

static enum rote_status grid(const struct axes *a, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    for (double d = a->x0; d <= a->x1; d++) {
        double x = at_x(a, pow(10, d));
        TRY(base_buf_printf(out, "<line class=grid x1=%.1f y1=%.1f x2=%.1f y2=%.1f />"
                                 "<text x=%.1f y=%.1f text-anchor=middle>%g</text>\n",
                            x, TOP, x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 16, pow(10, d)));
    }
    for (double d = a->y0; d <= a->y1; d++) {
        double y = at_y(a, pow(10, d));
        TRY(base_buf_printf(out, "<line class=grid x1=%.1f y1=%.1f x2=%.1f y2=%.1f />"
                                 "<text x=%.1f y=%.1f text-anchor=end>%g</text>\n",
                            LEFT, y, WIDTH - RIGHT, y, LEFT - 6, y + 4, pow(10, d)));
    }
    TRY(base_buf_printf(out, "<text x=%.1f y=%.1f text-anchor=middle>floating-point operations a byte</text>"
                             "<text transform=\"translate(14 %.1f) rotate(-90)\" text-anchor=middle>GFLOP/s</text>\n",
                        (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, (TOP + HEIGHT - BOTTOM) / 2));
out:
    return st;
}

/* The slanted roof begins where it enters the picture. */
static enum rote_status roofs(const json_t *peak, const struct axes *a, struct base_buf *out)
{
    double gflops = bench_number(peak, "gflops"), gb_s = bench_number(peak, "gb_s"), ridge = gflops / gb_s;
    double x = pow(10, a->x0), y = x * gb_s;
    if (y < pow(10, a->y0)) {
        y = pow(10, a->y0);
        x = y / gb_s;
    }
    return base_buf_printf(out, "<polyline class=roof points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\"/>"
                                "<text x=%.1f y=%.1f text-anchor=end>%.1f GFLOP/s, measured</text>"
                                "<text x=%.1f y=%.1f text-anchor=end>%.1f GB/s, measured&#160;&#160;</text>\n",
                           at_x(a, x), at_y(a, y), at_x(a, ridge), at_y(a, gflops), WIDTH - RIGHT, at_y(a, gflops),
                           WIDTH - RIGHT - 4, at_y(a, gflops) - 6, gflops, at_x(a, sqrt(x * ridge)),
                           at_y(a, sqrt(y * gflops)) - 4, gb_s);
}

static enum rote_status point(const json_t *row, const json_t *v, const struct axes *a, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    double x = bench_number(row, "flops") / bench_number(row, "bytes"), y = bench_number(v, "gflops");
    bool chosen = json_is_true(json_object_get(v, "chosen"));
    if (!(x > 0 && y > 0))
        return ROTE_OK;
    TRY(base_buf_printf(out, "<circle class=%s cx=%.1f cy=%.1f r=%.1f><title>", chosen ? "a" : "b", at_x(a, x),
                        at_y(a, y), chosen ? 4.5 : 3.5));
    TRY(bench_escape(out, bench_string(row, "operator")));
    TRY(base_buf_printf(out, " by %s: %.3f ms, %.1f GFLOP/s, %.1f GB/s\n", bench_string(v, "variant"),
                        bench_number(v, "least_ms"), y, bench_number(v, "gb_s")));
    TRY(bench_escape(out, bench_string(row, "words")));
    TRY(base_buf_printf(out, "</title></circle>\n"));
out:
    return st;
}

enum rote_status bench_roofline(const json_t *o, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    struct axes a = axes_of(o);
    size_t i, j;
    json_t *row, *v;
    TRY(base_buf_printf(out, "<p>Each point is an operator and shape of the step: filled by the variant that the plan "
                             "has, hollow by another. Hover for its figures. Winograd's variants count the operations "
                             "of the direct sum, of which they do fewer; what fits in a cache can be above the slanted "
                             "roof.</p>\n<svg viewBox=\"0 0 %.0f %.0f\" role=img aria-label=roofline>\n",
                        WIDTH, HEIGHT));
    TRY(grid(&a, out));
    TRY(roofs(json_object_get(o, "peak"), &a, out));
    json_array_foreach(json_object_get(o, "operators"), i, row)
        json_array_foreach(json_object_get(row, "variants"), j, v)
            TRY(point(row, v, &a, out));
    TRY(base_buf_printf(out, "</svg>\n"));
out:
    return st;
}
