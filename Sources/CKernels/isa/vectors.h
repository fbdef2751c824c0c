/// Vectors of 64 bytes, whatever the machine has: the compiler splits them where registers are narrower. One source
/// compiled per instruction set (see README.md) so that all variants do the same arithmetic in the same order.
///
/// Only what C operators cannot say is written per instruction set: the 4-way byte product, f16 conversion.
/// Include inside a `#pragma clang attribute push(target)` region, with APUS_ISA_NAME defined and system headers
/// before.
#include "functions.h"

#define APUS_PASTE_(a, b) a##_##b
#define APUS_PASTE(a, b) APUS_PASTE_(a, b)
#define ISA(name) APUS_PASTE(name, APUS_ISA_NAME)
#define INLINE static inline __attribute__((always_inline))

// All functions here are inlined: how vectors are passed does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float f32x16 __attribute__((vector_size(64), aligned(4)));
typedef int32_t i32x16 __attribute__((vector_size(64), aligned(4)));
typedef uint32_t u32x16 __attribute__((vector_size(64), aligned(4)));
typedef uint8_t u8x64 __attribute__((vector_size(64), aligned(1)));
typedef int8_t i8x64 __attribute__((vector_size(64), aligned(1)));
typedef uint16_t u16x16 __attribute__((vector_size(32), aligned(2)));
typedef uint8_t u8x16 __attribute__((vector_size(16), aligned(1)));
typedef int8_t i8x16 __attribute__((vector_size(16), aligned(1)));

INLINE f32x16 load_f32(const float *p) {
    f32x16 v;
    memcpy(&v, p, 64);
    return v;
}
INLINE void store_f32(float *p, f32x16 v) {
    memcpy(p, &v, 64);
}
INLINE u8x64 load_u8(const uint8_t *p) {
    u8x64 v;
    memcpy(&v, p, 64);
    return v;
}
INLINE f32x16 splat(float x) {
    return (f32x16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
}
INLINE i32x16 splat_i32(int32_t x) {
    return (i32x16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
}
INLINE f32x16 fma16(f32x16 a, f32x16 b, f32x16 c) {
    return __builtin_elementwise_fma(a, b, c);
}
INLINE i32x16 choose_i32(i32x16 mask, i32x16 a, i32x16 b) {
    return (a & mask) | (b & ~mask);
}
/// a where the mask's lanes are all ones, b where they are 0.
INLINE f32x16 choose(i32x16 mask, f32x16 a, f32x16 b) {
    i32x16 x, y;
    memcpy(&x, &a, 64);
    memcpy(&y, &b, 64);
    x = choose_i32(mask, x, y);
    memcpy(&a, &x, 64);
    return a;
}
/// b where a is NaN.
INLINE f32x16 max16(f32x16 a, f32x16 b) {
    return choose((i32x16)(a > b), a, b);
}
INLINE f32x16 to_f32(i32x16 v) {
    return __builtin_convertvector(v, f32x16);
}

/// 1.5 * 2^23: added to a float below 2^22 it rounds that to the nearest integer, which then stands in the low bits.
#define MAGIC 12582912.0f
#define MAGIC_BITS 0x4B400000

/// Lanes of each four changed about, pair for pair and one for one.
#define OTHER_PAIR(v) __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
#define NEIGHBOURS(v) __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)

/// Lanes of the upper half on those of the lower half, and so on: one fixed tree.
#define REDUCE16(v, combine)                                                                                           \
    do {                                                                                                               \
        v = combine(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));           \
        v = combine(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));           \
        v = combine(v, OTHER_PAIR(v));                                                                                 \
        v = combine(v, NEIGHBOURS(v));                                                                                 \
    } while (0)

INLINE f32x16 add16(f32x16 a, f32x16 b) {
    return a + b;
}
INLINE float sum16(f32x16 v) {
    REDUCE16(v, add16);
    return v[0];
}
INLINE float max_of16(f32x16 v) {
    REDUCE16(v, max16);
    return v[0];
}

/// f16 to f32, exact. The plain form rebiases the exponent by a product that is exact too.
INLINE f32x16 f16_to_f32(u16x16 h) {
#if defined(APUS_WITH_AVX512)
    __m256i v;
    memcpy(&v, &h, 32);
    __m512 f = _mm512_cvtph_ps(v);
    f32x16 r;
    memcpy(&r, &f, 64);
    return r;
#elif defined(APUS_WITH_AVX2)
    __m128i lo, hi;
    memcpy(&lo, &h, 16);
    memcpy(&hi, (const char *)&h + 16, 16);
    __m256 f[2] = {_mm256_cvtph_ps(lo), _mm256_cvtph_ps(hi)};
    f32x16 r;
    memcpy(&r, f, 64);
    return r;
#elif defined(APUS_WITH_DOTPROD)
    float16x4_t v[4];
    memcpy(v, &h, 32);
    float32x4_t f[4];
    for (int i = 0; i < 4; i++)
        f[i] = vcvt_f32_f16(v[i]);
    f32x16 r;
    memcpy(&r, f, 64);
    return r;
#else
    u32x16 w = __builtin_convertvector(h, u32x16);
    u32x16 magnitude = (w & 0x7FFF) << 13;
    f32x16 value;
    memcpy(&value, &magnitude, 64);
    value = value * splat(0x1p112f);
    u32x16 bits;
    memcpy(&bits, &value, 64);
    u32x16 special = (u32x16)((w & 0x7C00) == 0x7C00) & 0x7F800000;
    bits = bits | special | ((w & 0x8000) << 16);
    memcpy(&value, &bits, 64);
    return value;
#endif
}
INLINE f32x16 load_f16(const uint8_t *p) {
    u16x16 h;
    memcpy(&h, p, 32);
    return f16_to_f32(h);
}

/// f32 to f16, nearest even.
INLINE u16x16 f32_to_f16(f32x16 x) {
    u16x16 r;
#if defined(APUS_WITH_AVX512)
    __m512 v;
    memcpy(&v, &x, 64);
    __m256i h = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    memcpy(&r, &h, 32);
#elif defined(APUS_WITH_AVX2)
    __m256 v[2];
    memcpy(v, &x, 64);
    __m128i h[2] = {_mm256_cvtps_ph(v[0], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                    _mm256_cvtps_ph(v[1], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
    memcpy(&r, h, 32);
#elif defined(APUS_WITH_DOTPROD)
    float32x4_t v[4];
    memcpy(v, &x, 64);
    float16x4_t h[4];
    for (int i = 0; i < 4; i++)
        h[i] = vcvt_f16_f32(v[i]);
    memcpy(&r, h, 32);
#else
    u32x16 bits;
    memcpy(&bits, &x, 64);
    u32x16 sign = (bits >> 16) & 0x8000;
    u32x16 magnitude = bits & 0x7FFFFFFF;
    // Normal results: rebias and round to nearest even in integers; a carry moves into the exponent as it should.
    u32x16 odd = (magnitude >> 13) & 1;
    u32x16 normal = (magnitude - 0x38000000 + 0xFFF + odd) >> 13;
    // Subnormal results: adding 0.5 makes the float unit do the rounding at the right bit.
    f32x16 m;
    memcpy(&m, &magnitude, 64);
    f32x16 shifted = m + splat(0.5f);
    u32x16 small;
    memcpy(&small, &shifted, 64);
    small = small - 0x3F000000;
    u32x16 is_small = (u32x16)(magnitude < 0x38800000);
    u32x16 is_large = (u32x16)(magnitude >= 0x477FF000);
    u32x16 is_nan = (u32x16)(magnitude > 0x7F800000);
    u32x16 h = (small & is_small) | (normal & ~is_small);
    h = (h & ~is_large) | (0x7C00 & is_large);
    h = (h & ~is_nan) | ((0x7E00 | (magnitude >> 13 & 0x3FF)) & is_nan);
    r = __builtin_convertvector(h | sign, u16x16);
#endif
    return r;
}

/// exp by Cody-Waite reduction and a polynomial of degree 6. Relative error below 2e-7; 0 below -87, clamped above 88.
/// All steps are exact operations of IEEE 754, so every machine gives the same bits.
INLINE f32x16 exp16(f32x16 x) {
    f32x16 low = splat(-87.0f), high = splat(88.0f);
    i32x16 is_zero = (i32x16)(x < low);
    x = choose((i32x16)(x > high), high, x);
    x = choose((i32x16)(x < low), low, x);
    f32x16 shifted = fma16(x, splat(1.44269504088896341f), splat(MAGIC));
    f32x16 n = shifted - splat(MAGIC);
    f32x16 r = fma16(n, splat(-0.693145751953125f), x);
    r = fma16(n, splat(-1.42860682030941723e-6f), r);
    f32x16 p = splat(1.3888889e-3f);
    p = fma16(p, r, splat(8.3333333e-3f));
    p = fma16(p, r, splat(4.1666668e-2f));
    p = fma16(p, r, splat(1.6666667e-1f));
    p = fma16(p, r, splat(0.5f));
    p = fma16(p, r, splat(1.0f));
    p = fma16(p, r, splat(1.0f));
    i32x16 exponent, bits;
    memcpy(&exponent, &shifted, 64);
    memcpy(&bits, &p, 64);
    bits = bits + ((exponent - MAGIC_BITS) << 23);
    bits = bits & ~is_zero;
    memcpy(&p, &bits, 64);
    return p;
}

/// exp of one value, by the same steps.
INLINE float exp1(float x) {
    return exp16(splat(x))[0];
}

#if defined(APUS_WITH_AVX512)
/// sum + products of 64 unsigned bytes with 4 signed ones that all lanes share.
INLINE i32x16 dot4(i32x16 sum, u8x64 w, int32_t a) {
    __m512i c, x;
    memcpy(&c, &sum, 64);
    memcpy(&x, &w, 64);
    c = _mm512_dpbusd_epi32(c, x, _mm512_set1_epi32(a));
    memcpy(&sum, &c, 64);
    return sum;
}
#else
/// start + zero + sum of products u8 * s8 of `groups` vectors of weights with 4 signed bytes each; lanes are outputs.
/// Exact, so every instruction set may take its own way.
/// @param a4   4 bytes for each group, which all lanes share
/// @param bits of a weight: what intermediate sums can hold
/// @param zero -zero point * sum of these bytes: removes the zero point from the unsigned weights
INLINE i32x16 dot_groups(const u8x64 *w, const int32_t *a4, int groups, int bits, int32_t start, int32_t zero) {
#if defined(APUS_WITH_AVX2)
    // How many groups' pairs of products add up within 16 bits: 2 * 127 * (2^bits - 1) each.
    const int run = bits == 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1;
    const __m256i ones = _mm256_set1_epi16(1), top = _mm256_set1_epi8((char)0x80);
    __m256i c[2];
    for (int i = 0; i < 2; i++) {
        // 8-bit weights become signed, and their zero point with them: it must not be taken away twice.
        c[i] = _mm256_set1_epi32(bits == 8 ? start : start + zero);
        for (int first = 0; first < groups; first += run) {
            __m256i pairs = _mm256_setzero_si256();
            for (int g = first; g < first + run && g < groups; g++) {
                __m256i x, a = _mm256_set1_epi32(a4[g]);
                memcpy(&x, (const char *)&w[g] + 32 * i, 32);
                if (bits == 8) {
                    x = _mm256_xor_si256(x, top);
                    pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(a, x));
                } else {
                    pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(x, a));
                }
            }
            c[i] = _mm256_add_epi32(c[i], _mm256_madd_epi16(pairs, ones));
        }
    }
    i32x16 r;
    memcpy(&r, c, 64);
    return r;
#elif defined(APUS_WITH_DOTPROD)
    int32x4_t c[4];
    for (int i = 0; i < 4; i++) {
        c[i] = vdupq_n_s32(bits == 8 ? start : start + zero);
        for (int g = 0; g < groups; g++) {
            uint8x16_t x;
            memcpy(&x, (const char *)&w[g] + 16 * i, 16);
            // 8-bit weights become signed, and their zero point with them.
            if (bits == 8)
                x = veorq_u8(x, vdupq_n_u8(0x80));
            c[i] = vdotq_s32(c[i], vreinterpretq_s8_u8(x), vreinterpretq_s8_s32(vdupq_n_s32(a4[g])));
        }
    }
    i32x16 r;
    memcpy(&r, c, 64);
    return r;
#else
    (void)bits;
    i32x16 sum = splat_i32(start + zero);
    for (int g = 0; g < groups; g++) {
        int8_t a[4];
        memcpy(a, &a4[g], 4);
        u32x16 lanes;
        memcpy(&lanes, &w[g], 64);
        for (int i = 0; i < 4; i++)
            sum += (i32x16)((lanes >> (8 * i)) & 0xFF) * splat_i32(a[i]);
    }
    return sum;
#endif
}
#endif
