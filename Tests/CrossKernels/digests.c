/// Prints a digest of what each kernel computes, for every instruction set of the machine it runs on. Processors that
/// no Swift test reaches run it in emulation: its lines must be those of the others.
#include "apus_kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 67, COLUMNS = 768, OUTPUTS = 64, HEAD = 80, GROUP = 3 };

static uint64_t state = 1;

static uint32_t next_random(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static float random_float(float magnitude) {
    return ((float)next_random() / 1073741824.0f - 1.0f) * magnitude;
}

/// FNV-1a.
static uint64_t add(uint64_t digest, const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        digest = (digest ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3u;
    return digest;
}

static void *memory(size_t count) {
    void *p = aligned_alloc(64, (count + 127) & ~(size_t)63);
    if (!p)
        exit(2);
    memset(p, 0, (count + 127) & ~(size_t)63);
    return p;
}

/// Rows of a format as a file has them, with scales that are numbers.
static void fill_row(int format, uint8_t *row) {
    const size_t block = apus_block_bytes(format), blocks = COLUMNS / apus_block_values(format);
    for (size_t i = 0; i < blocks * block; i++)
        row[i] = (uint8_t)next_random();
    // The high bytes of f16 and of float weights and scales: small exponents, whatever the format.
    for (size_t b = 0; b < blocks; b++) {
        uint8_t *at = row + b * block;
        if (format == APUS_Q6_K) {
            at[209] = 0x10;
        } else if (format == APUS_F32) {
            const float x = random_float(1);
            memcpy(at, &x, 4);
        } else if (format == APUS_F16 || format == APUS_BF16) {
            at[1] = format == APUS_F16 ? 0x30 : 0x3F;
        } else {
            at[1] = 0x20;
            if (format != APUS_Q4_0 && format != APUS_Q5_0 && format != APUS_Q8_0)
                at[3] = 0x1C;
        }
    }
}

static uint64_t products(int format) {
    state = 7;
    uint8_t *rows[OUTPUTS], *panels = memory(apus_panel_bytes(format, COLUMNS) * OUTPUTS / 32);
    const size_t row_bytes = COLUMNS / apus_block_values(format) * apus_block_bytes(format);
    for (size_t r = 0; r < OUTPUTS; r++) {
        rows[r] = memory(row_bytes);
        fill_row(format, rows[r]);
    }
    for (size_t p = 0; p < OUTPUTS / 32; p++)
        apus_pack_panel(format, (const uint8_t *const *)rows + 32 * p, COLUMNS,
                        panels + p * apus_panel_bytes(format, COLUMNS));
    float *x = memory(ROWS * COLUMNS * 4), *y = memory(ROWS * OUTPUTS * 4);
    uint8_t *q = memory(apus_activation_bytes(ROWS, COLUMNS));
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        x[i] = random_float(3);
    for (size_t r = 0; r < ROWS; r++)
        apus_quantize_row(x + r * COLUMNS, COLUMNS, r, q, NULL);
    uint64_t digest = 1;
    const size_t counts[] = {1, 3, 8, ROWS};
    for (size_t i = 0; i < 4; i++) {
        apus_matmul(format, panels, 0, OUTPUTS / 32, COLUMNS, apus_takes_quantized(format) ? (const void *)q : x,
                    counts[i], y, OUTPUTS);
        digest = add(digest, y, counts[i] * OUTPUTS * 4);
    }
    for (size_t r = 0; r < OUTPUTS; r++)
        free(rows[r]);
    free(panels), free(x), free(y), free(q);
    return digest;
}

/// Of the tokens from `first` on, together, and of the last one alone, through the way of few rows.
static uint64_t attention(int type, size_t tokens, size_t first) {
    state = 11;
    const size_t head_bytes = apus_page_head_bytes(type, HEAD), pages = (tokens + 31) / 32;
    const size_t queries = (tokens - first) * GROUP;
    uint8_t *kv = memory(pages * head_bytes);
    float *q = memory(queries * HEAD * 4), *out = memory(queries * HEAD * 4);
    float *scratch = memory(4 * apus_attention_scratch(queries, HEAD));
    int32_t *table = memory(pages * 4), *positions = memory(queries * 4);
    for (size_t p = 0; p < pages; p++)
        table[p] = (int32_t)(pages - 1 - p);
    for (size_t t = 0; t < tokens; t++) {
        float k[HEAD], v[HEAD];
        for (size_t d = 0; d < HEAD; d++)
            k[d] = random_float(2), v[d] = random_float(1);
        apus_kv_store(type, kv + (size_t)table[t / 32] * head_bytes, t % 32, k, v, HEAD);
    }
    for (size_t i = 0; i < queries * HEAD; i++)
        q[i] = random_float(2);
    for (size_t i = 0; i < queries; i++)
        positions[i] = (int32_t)(first + i / GROUP);
    apus_attention_rows rows = {type,       q,    HEAD,  positions, queries, table,     kv,
                                head_bytes, HEAD, 0.11f, 0,         0,       {kv, NULL}};
    apus_attention(&rows, out, HEAD, scratch);
    uint64_t digest = add(1, kv, pages * head_bytes);
    digest = add(digest, out, queries * HEAD * 4);
    rows.q += (queries - GROUP) * HEAD, rows.positions += queries - GROUP, rows.rows = GROUP;
    apus_attention(&rows, out, HEAD, scratch);
    digest = add(digest, out, GROUP * HEAD * 4);
    rows.window = 50, rows.cap = 20;
    apus_attention(&rows, out, HEAD, scratch);
    digest = add(digest, out, GROUP * HEAD * 4);
    free(kv), free(q), free(out), free(scratch), free(table), free(positions);
    return digest;
}

static uint64_t rows(void) {
    state = 13;
    float x[2048], weight[1024], y[1024];
    for (size_t i = 0; i < 2048; i++)
        x[i] = random_float(9);
    for (size_t i = 0; i < 1024; i++)
        weight[i] = random_float(1);
    uint8_t *q = memory(apus_activation_bytes(1, 1024)), *left = memory(apus_activation_bytes(1, 1024));
    apus_rms_norm(x, weight, 1e-5f, 1024, y);
    uint64_t digest = add(1, y, sizeof y);
    apus_norm_quantize_row(x, weight, 1e-5f, 1024, 0, q, left);
    digest = add(digest, q, apus_activation_bytes(1, 1024));
    digest = add(digest, left, apus_activation_bytes(1, 1024));
    apus_layer_norm(x, weight, x + 1024, 1e-12f, 1024, y);
    digest = add(digest, y, sizeof y);
    apus_gelu(x, 1024, y);
    digest = add(digest, y, sizeof y);
    apus_gelu_tanh(x, 1024, y);
    digest = add(digest, y, sizeof y);
    apus_geglu(x, 1024, y);
    apus_soft_cap(y, 1024, 30);
    apus_add_scaled(y, x, 0.3f, 1024);
    digest = add(digest, y, sizeof y);
    apus_swiglu(x, 1024, y);
    apus_rope(y, weight, 64, 16, 64);
    apus_add(y, x, 1000);
    digest = add(digest, y, sizeof y);
    const float most = apus_max(x, 2047);
    const double sum = apus_sum_exp(x, 2047, most);
    float maxima[16], weights[2047];
    int32_t buckets[2047];
    double sums[4];
    apus_group_maxima(x, 2047, maxima);
    apus_sum_weights(x, 2047, most, 1.25f, maxima, most - 30, sums);
    apus_weigh(x, 2047, most, 1.25f, weights, buckets);
    digest = add(add(add(digest, sums, sizeof sums), weights, sizeof weights), buckets, sizeof buckets);
    const size_t place = apus_argmax(x, 2047);
    digest = add(add(digest, &most, 4), &sum, 8);
    free(q), free(left);
    return add(digest, &(uint64_t){place}, 8);
}

int main(void) {
    const int formats[] = {APUS_F32,  APUS_F16,  APUS_Q4_0, APUS_Q4_1, APUS_Q5_0, APUS_Q5_1,
                           APUS_Q8_0, APUS_Q4_K, APUS_Q5_K, APUS_Q6_K, APUS_BF16};
    for (int isa = APUS_ISA_PLAIN; isa <= APUS_ISA_AMX; isa++) {
        if (!apus_isa_select((apus_isa)isa))
            continue;
        fprintf(stderr, "instruction set %d\n", isa);
        for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
            printf("format %d: %016llx\n", formats[i], (unsigned long long)products(formats[i]));
        for (int type = APUS_KV_F16; type <= APUS_KV_Q8; type++)
            printf("attention: %016llx, long: %016llx\n", (unsigned long long)attention(type, 150, 0),
                   (unsigned long long)attention(type, 2 * APUS_SEGMENT_TOKENS + 70, APUS_SEGMENT_TOKENS - 3));
        printf("rows: %016llx\n", (unsigned long long)rows());
    }
}
