/// Floats as GGUF's formats store them: what apus_dequantize reads back. Plain C: runs once, at load or into a file.
///
/// Q8_0: d = max|x| / 127; the code is x / d, rounded to nearest, halves away from zero.
/// Q4_0: d = m / -8, where m is the number of largest magnitude, the first of several; the code is x / d + 8.5, cut off
/// and at most 15. So m becomes code 0, which stands for -8.
/// x / d is x times the f32 nearest to 1 / d, and codes come from d as f32, before it is stored as f16: that is how
/// files are made elsewhere, so blocks are the same. Where d is too small to be divided by, it is stored as 0, whatever
/// the codes.
#include "isa/functions.h"

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

enum { HALF_INFINITY = 0x7C00, HALF_NAN = 0x7E00 };

/// Nearest f16, the even one of two; infinity from 65520 on.
static uint16_t half_of(float value) {
    const uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000)
        return (uint16_t)(sign | HALF_NAN);
    if (magnitude >= 0x477FF000)
        return (uint16_t)(sign | HALF_INFINITY);
    // Below 2^-14 halves are multiples of 2^-24, and so are floats from 0.5 to 1: the addition rounds.
    if (magnitude < 0x38800000)
        return (uint16_t)(sign | (bits_of(float_of(magnitude) + 0.5f) - 0x3F000000));
    const uint32_t even = magnitude >> 13 & 1;
    return (uint16_t)(sign | (magnitude - 0x38000000 + 0xFFF + even) >> 13);
}

/// Writes a block's scale. @return 1, or 0 when f16 has no number for it: then the scale is NaN.
static int store_scale(float scale, uint8_t *block) {
    uint16_t half = half_of(scale);
    const int is_held = (half & 0x7FFF) < HALF_INFINITY;
    if (!is_held)
        half = HALF_NAN;
    memcpy(block, &half, 2);
    return is_held;
}

/// 1 / d; 0 where that is no number.
static float inverse_of(float d) {
    const float inverse = 1 / d;
    return (bits_of(inverse) & 0x7FFFFFFF) < 0x7F800000 ? inverse : 0;
}

/// The first of 32 numbers with the largest magnitude; a NaN or infinity if there is one.
static float largest(const float *x) {
    int32_t most = 0;
    for (int i = 0; i < 32; i++) {
        const int32_t magnitude = (int32_t)(bits_of(x[i]) & 0x7FFFFFFF);
        most = magnitude > most ? magnitude : most;
    }
    int i = 0;
    while ((bits_of(x[i]) & 0x7FFFFFFF) != (uint32_t)most)
        i++;
    return x[i];
}

static int store_q8_0(const float *x, uint8_t *block) {
    const float most = largest(x), d = float_of(bits_of(most) & 0x7FFFFFFF) / 127;
    memset(block, 0, 34);
    if (!store_scale(d, block))
        return 0;
    const float inverse = inverse_of(d);
    for (int i = 0; i < 32; i++) {
        // Exact in double, so that the largest float below a half is not rounded up.
        const double quotient = x[i] * inverse;
        block[2 + i] = (uint8_t)(int8_t)(int)(quotient + (quotient < 0 ? -0.5 : 0.5));
    }
    return 1;
}

static int store_q4_0(const float *x, uint8_t *block) {
    const float d = largest(x) / -8;
    memset(block, 0, 18);
    if (!store_scale(d, block))
        return 0;
    const float inverse = inverse_of(d);
    int codes[32];
    for (int i = 0; i < 32; i++) {
        const int code = (int)(x[i] * inverse + 8.5f);
        codes[i] = code < 15 ? code : 15;
    }
    for (int i = 0; i < 16; i++)
        block[2 + i] = (uint8_t)(codes[i] | codes[16 + i] << 4);
    return 1;
}

int apus_quantize(int format, const float *x, size_t count, uint8_t *row) {
    int is_held = 1;
    switch (format) {
    case APUS_F32:
        memcpy(row, x, 4 * count);
        for (size_t i = 0; i < count; i++)
            is_held &= (bits_of(x[i]) & 0x7FFFFFFF) < 0x7F800000;
        return is_held;
    case APUS_F16:
        for (size_t i = 0; i < count; i++) {
            const uint16_t half = half_of(x[i]);
            memcpy(row + 2 * i, &half, 2);
            is_held &= (half & 0x7FFF) < HALF_INFINITY;
        }
        return is_held;
    case APUS_Q8_0:
        for (size_t i = 0; i < count / 32; i++)
            is_held &= store_q8_0(x + 32 * i, row + 34 * i);
        return is_held;
    case APUS_Q4_0:
        for (size_t i = 0; i < count / 32; i++)
            is_held &= store_q4_0(x + 32 * i, row + 18 * i);
        return is_held;
    default:
        return 0;
    }
}
