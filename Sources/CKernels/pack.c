/// Repacks rows as GGUF stores them into panels, and says what single values stand for. Plain C: runs once, at load.
///
/// Block layouts are those of the GGUF specification (ggml's quantized types); panels are described in README.md.
#include "isa/functions.h"

size_t apus_block_values(int format) {
    switch (format) {
    case APUS_F32:
    case APUS_F16:
    case APUS_BF16:
        return 1;
    case APUS_Q4_0:
    case APUS_Q4_1:
    case APUS_Q5_0:
    case APUS_Q5_1:
    case APUS_Q8_0:
        return 32;
    case APUS_Q4_K:
    case APUS_Q5_K:
    case APUS_Q6_K:
        return 256;
    default:
        return 0;
    }
}

size_t apus_block_bytes(int format) {
    switch (format) {
    case APUS_F32:
        return 4;
    case APUS_F16:
    case APUS_BF16:
        return 2;
    case APUS_Q4_0:
        return 18;
    case APUS_Q4_1:
        return 20;
    case APUS_Q5_0:
        return 22;
    case APUS_Q5_1:
        return 24;
    case APUS_Q8_0:
        return 34;
    case APUS_Q4_K:
        return 144;
    case APUS_Q5_K:
        return 176;
    case APUS_Q6_K:
        return 210;
    default:
        return 0;
    }
}

size_t apus_panel_bytes(int format, size_t cols) {
    switch (format) {
    case APUS_F32:
        return cols * 128;
    case APUS_F16:
    case APUS_BF16:
        return cols * 64;
    case APUS_Q4_0:
        return cols / 32 * 576;
    case APUS_Q4_1:
        return cols / 32 * 640;
    case APUS_Q5_0:
        return cols / 32 * 704;
    case APUS_Q5_1:
        return cols / 32 * 768;
    case APUS_Q8_0:
        return cols / 32 * 1088;
    case APUS_Q4_K:
        return cols / 256 * (640 + 8 * 512);
    case APUS_Q5_K:
        return cols / 256 * (640 + 8 * 640);
    case APUS_Q6_K:
        return cols / 256 * (576 + 8 * 768);
    default:
        return 0;
    }
}

/// One value's code (without zero point) in block `b`: the quantity that a format's scale multiplies.
static unsigned code_at(int format, const uint8_t *b, size_t i) {
    switch (format) {
    case APUS_Q4_0:
        return i < 16 ? b[2 + i] & 15 : b[2 + i - 16] >> 4;
    case APUS_Q4_1:
        return i < 16 ? b[4 + i] & 15 : b[4 + i - 16] >> 4;
    case APUS_Q5_0:
        return (i < 16 ? b[6 + i] & 15 : b[6 + i - 16] >> 4) | (b[2 + i / 8] >> (i % 8) & 1) << 4;
    case APUS_Q5_1:
        return (i < 16 ? b[8 + i] & 15 : b[8 + i - 16] >> 4) | (b[4 + i / 8] >> (i % 8) & 1) << 4;
    case APUS_Q8_0:
        return b[2 + i] ^ 0x80;
    case APUS_Q4_K:
    case APUS_Q5_K: {
        size_t sub = i / 32, l = i % 32;
        const uint8_t *low = b + (format == APUS_Q4_K ? 16 : 48) + sub / 2 * 32;
        unsigned code = sub % 2 ? low[l] >> 4 : low[l] & 15;
        if (format == APUS_Q5_K)
            code |= (unsigned)(b[16 + l] >> sub & 1) << 4;
        return code;
    }
    case APUS_Q6_K: {
        size_t half = i / 128, quarter = i % 128 / 32, l = i % 32;
        uint8_t low = b[half * 64 + (quarter % 2) * 32 + l];
        uint8_t high = b[128 + half * 32 + l];
        return (quarter < 2 ? low & 15u : low >> 4) | (unsigned)(high >> (2 * quarter) & 3) << 4;
    }
    default:
        return 0;
    }
}

/// 6-bit scale and minimum of sub-block `j` of a Q4_K or Q5_K block.
static void scale_and_minimum(const uint8_t *s, size_t j, uint8_t *scale, uint8_t *minimum) {
    if (j < 4) {
        *scale = s[j] & 63;
        *minimum = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *minimum = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

/// Writes 32 codes of each of 32 rows as nibbles and, above them, bit planes.
static void pack_codes(const uint8_t codes[32][32], int planes, uint8_t *nibbles, uint8_t *plane) {
    for (int t = 0; t < 2; t++) {
        for (int lane = 0; lane < 16; lane++) {
            const uint8_t *c = codes[16 * t + lane];
            for (int j = 0; j < 4; j++) {
                for (int byte = 0; byte < 4; byte++) {
                    nibbles[t * 256 + j * 64 + lane * 4 + byte] =
                        (uint8_t)((c[4 * j + byte] & 15) | (c[16 + 4 * j + byte] & 15) << 4);
                }
            }
            for (int byte = 0; byte < 4; byte++) {
                if (planes == 1) {
                    uint8_t bits = 0;
                    for (int g = 0; g < 8; g++)
                        bits |= (uint8_t)((c[4 * g + byte] >> 4 & 1) << g);
                    plane[t * 64 + lane * 4 + byte] = bits;
                } else if (planes == 2) {
                    for (int i = 0; i < 2; i++) {
                        uint8_t bits = 0;
                        for (int j = 0; j < 4; j++)
                            bits |= (uint8_t)((c[4 * (4 * i + j) + byte] >> 4 & 3) << (2 * j));
                        plane[t * 128 + i * 64 + lane * 4 + byte] = bits;
                    }
                }
            }
        }
    }
}

/// Formats with one scale (and perhaps one minimum) of f16 for each 32 values.
static void pack_simple(int format, const uint8_t *_Nullable const *_Nonnull rows, size_t cols, uint8_t *panel) {
    const size_t block = apus_block_bytes(format), record = apus_panel_bytes(format, 32);
    const int has_minimum = format == APUS_Q4_1 || format == APUS_Q5_1;
    const int planes = format == APUS_Q5_0 || format == APUS_Q5_1;
    const size_t scales = format == APUS_Q8_0 ? 1024 : 512 + 128 * (size_t)planes;
    for (size_t kb = 0; kb < cols / 32; kb++) {
        uint8_t *out = panel + kb * record, codes[32][32];
        memset(codes, 0, sizeof codes);
        for (size_t r = 0; r < 32; r++) {
            const uint8_t *b = rows[r] ? rows[r] + kb * block : (const uint8_t *)0;
            memset(out + scales + 2 * r, 0, 2);
            if (has_minimum)
                memset(out + scales + 64 + 2 * r, 0, 2);
            if (!b)
                continue;
            for (size_t i = 0; i < 32; i++)
                codes[r][i] = (uint8_t)code_at(format, b, i);
            memcpy(out + scales + 2 * r, b, 2);
            if (has_minimum)
                memcpy(out + scales + 64 + 2 * r, b + 2, 2);
        }
        if (format == APUS_Q8_0) {
            for (size_t r = 0; r < 32; r++)
                for (size_t k = 0; k < 32; k++)
                    out[(r / 16 * 8 + k / 4) * 64 + r % 16 * 4 + k % 4] = codes[r][k];
        } else {
            pack_codes((const uint8_t(*)[32])codes, planes, out, out + 512);
        }
    }
}

/// Formats with blocks of 256 values.
static void pack_super(int format, const uint8_t *_Nullable const *_Nonnull rows, size_t cols, uint8_t *panel) {
    const size_t block = apus_block_bytes(format), record = apus_panel_bytes(format, 256);
    const size_t head = format == APUS_Q6_K ? 576 : 640, quants = (record - head) / 8;
    const int planes = format == APUS_Q4_K ? 0 : format == APUS_Q5_K ? 1 : 2;
    for (size_t sb = 0; sb < cols / 256; sb++) {
        uint8_t *out = panel + sb * record;
        memset(out, 0, head);
        for (size_t r = 0; r < 32; r++) {
            if (!rows[r])
                continue;
            const uint8_t *b = rows[r] + sb * block;
            if (format == APUS_Q6_K) {
                memcpy(out + 2 * r, b + 208, 2);
                for (size_t i = 0; i < 16; i++)
                    out[64 + i * 32 + r] = b[192 + i];
            } else {
                memcpy(out + 2 * r, b, 2);
                memcpy(out + 64 + 2 * r, b + 2, 2);
                for (size_t j = 0; j < 8; j++)
                    scale_and_minimum(b + 4, j, &out[128 + j * 32 + r], &out[384 + j * 32 + r]);
            }
        }
        for (size_t sub = 0; sub < 8; sub++) {
            uint8_t codes[32][32];
            memset(codes, 0, sizeof codes);
            for (size_t r = 0; r < 32; r++) {
                if (!rows[r])
                    continue;
                for (size_t i = 0; i < 32; i++)
                    codes[r][i] = (uint8_t)code_at(format, rows[r] + sb * block, sub * 32 + i);
            }
            pack_codes((const uint8_t(*)[32])codes, planes, out + head + sub * quants, out + head + sub * quants + 512);
        }
    }
}

void apus_pack_panel(int format, const uint8_t *_Nullable const *_Nonnull rows, size_t cols, uint8_t *panel) {
    size_t width = apus_block_bytes(format);
    switch (format) {
    case APUS_F32:
    case APUS_F16:
    case APUS_BF16:
        for (size_t k = 0; k < cols; k++) {
            for (size_t r = 0; r < 32; r++) {
                uint8_t *at = panel + (k * 32 + r) * width;
                if (rows[r])
                    memcpy(at, rows[r] + k * width, width);
                else
                    memset(at, 0, width);
            }
        }
        break;
    case APUS_Q4_K:
    case APUS_Q5_K:
    case APUS_Q6_K:
        pack_super(format, rows, cols, panel);
        break;
    default:
        pack_simple(format, rows, cols, panel);
        break;
    }
}

static float half_at(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, 2);
    uint32_t magnitude = (uint32_t)(h & 0x7FFF) << 13, bits;
    float value;
    memcpy(&value, &magnitude, 4);
    value *= 0x1p112f;
    memcpy(&bits, &value, 4);
    if ((h & 0x7C00) == 0x7C00)
        bits |= 0x7F800000;
    bits |= (uint32_t)(h & 0x8000) << 16;
    memcpy(&value, &bits, 4);
    return value;
}

/// The formats without blocks, which go fast.
static void widen(int format, const uint8_t *row, size_t count, float *y) {
    if (format == APUS_F32) {
        memcpy(y, row, 4 * count);
    } else if (format == APUS_F16) {
        for (size_t i = 0; i < count; i++)
            y[i] = half_at(row + 2 * i);
    } else {
        for (size_t i = 0; i < count; i++) {
            uint16_t h;
            memcpy(&h, row + 2 * i, 2);
            const uint32_t bits = (uint32_t)h << 16;
            memcpy(&y[i], &bits, 4);
        }
    }
}

void apus_dequantize(int format, const uint8_t *row, size_t count, float *y) {
    const size_t values = apus_block_values(format), bytes = apus_block_bytes(format);
    if (values == 1) {
        widen(format, row, count, y);
        return;
    }
    for (size_t i = 0; values && i < count; i++) {
        const uint8_t *b = row + i / values * bytes;
        size_t at = i % values;
        int code = (int)code_at(format, b, at);
        uint8_t scale, minimum;
        switch (format) {
        case APUS_Q4_0:
            y[i] = half_at(b) * (float)(code - 8);
            break;
        case APUS_Q5_0:
            y[i] = half_at(b) * (float)(code - 16);
            break;
        case APUS_Q8_0:
            y[i] = half_at(b) * (float)(code - 128);
            break;
        case APUS_Q4_1:
        case APUS_Q5_1:
            y[i] = half_at(b) * (float)code + half_at(b + 2);
            break;
        case APUS_Q4_K:
        case APUS_Q5_K:
            scale_and_minimum(b + 4, at / 32, &scale, &minimum);
            y[i] = half_at(b) * (float)scale * (float)code - half_at(b + 2) * (float)minimum;
            break;
        case APUS_Q6_K:
            y[i] = half_at(b + 208) * (float)(int8_t)b[192 + at / 16] * (float)(code - 32);
            break;
        default:
            break;
        }
    }
}
