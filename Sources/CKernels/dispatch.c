#define _GNU_SOURCE // syscall
/// Chooses the instruction set once, and calls through the table.
#include "isa/functions.h"
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
/// Of Linux's asm/prctl.h: asks for a register state that threads do not have unless they ask; and the one of tiles.
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA 18
#elif defined(__aarch64__)
#include <sys/auxv.h>
/// Of Linux's asm/hwcap.h: the dot product extension.
#define HWCAP_DOT_PRODUCT (1UL << 20)
#endif

static const apus_functions *chosen = &apus_functions_plain;
static apus_isa chosen_isa = APUS_ISA_PLAIN;

#if defined(__x86_64__)
/// Whether the processor has byte products on tiles, and the kernel gives their registers to this process's threads.
static int has_tiles(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    const unsigned tile_and_int8 = 1u << 24 | 1u << 25;
    return (d & tile_and_int8) == tile_and_int8 &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#endif

int apus_isa_available(apus_isa isa) {
    switch (isa) {
    case APUS_ISA_PLAIN:
        return 1;
#if defined(__x86_64__)
    case APUS_ISA_AVX2:
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
               __builtin_cpu_supports("f16c");
    case APUS_ISA_AVX512:
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vnni");
    case APUS_ISA_AMX:
        return apus_isa_available(APUS_ISA_AVX512) && has_tiles();
#elif defined(__aarch64__)
    case APUS_ISA_NEON:
        return (getauxval(AT_HWCAP) & HWCAP_DOT_PRODUCT) != 0;
#endif
    default:
        return 0;
    }
}

int apus_isa_select(apus_isa isa) {
    if (!apus_isa_available(isa))
        return 0;
    switch (isa) {
#if defined(__x86_64__)
    case APUS_ISA_AVX2:
        chosen = &apus_functions_avx2;
        break;
    case APUS_ISA_AVX512:
        chosen = &apus_functions_avx512;
        break;
    case APUS_ISA_AMX:
        chosen = &apus_functions_amx;
        break;
#elif defined(__aarch64__)
    case APUS_ISA_NEON:
        chosen = &apus_functions_neon;
        break;
#endif
    default:
        chosen = &apus_functions_plain;
        break;
    }
    chosen_isa = isa;
    return 1;
}

apus_isa apus_isa_selected(void) {
    return chosen_isa;
}

__attribute__((constructor)) static void select_best(void) {
    for (int isa = APUS_ISA_AMX; isa > APUS_ISA_PLAIN; isa--) {
        if (apus_isa_select((apus_isa)isa))
            return;
    }
}

void apus_matmul(int format, const uint8_t *panels, size_t first, size_t last, size_t cols, const void *a, size_t rows,
                 float *y, size_t y_stride) {
    chosen->matmul(format, panels, first, last, cols, a, rows, y, y_stride, 0);
}

void apus_matmul_add(int format, const uint8_t *panels, size_t first, size_t last, size_t cols, const void *a,
                     size_t rows, float *y, size_t y_stride) {
    chosen->matmul(format, panels, first, last, cols, a, rows, y, y_stride, 1);
}

void apus_attention(const apus_attention_rows *rows, float *out, size_t out_stride, float *scratch) {
    chosen->attention(rows, out, out_stride, scratch);
}

size_t apus_attention_scratch(size_t rows, size_t head_dim) {
    return 2 * rows * apus_attention_state(head_dim) + 2 * 64 * head_dim;
}

void apus_attention_segment(const apus_attention_rows *rows, size_t segment, float *states, float *scratch) {
    chosen->attention_segment(rows, segment, states, scratch);
}

void apus_attention_join(const apus_attention_rows *rows, float *states, size_t segment_stride, float *out,
                         size_t out_stride) {
    chosen->attention_join(rows, states, segment_stride, out, out_stride);
}

size_t apus_attention_state(size_t head_dim) {
    return APUS_STATE_FLOATS(head_dim);
}

size_t apus_page_head_bytes(int type, size_t head_dim) {
    const size_t elements = 2 * head_dim * APUS_PAGE_TOKENS, scales = 2 * APUS_PAGE_TOKENS * sizeof(float);
    return type == APUS_KV_Q8 ? elements + scales : elements * 2;
}

void apus_kv_store(int type, uint8_t *page_head, size_t slot, const float *k, const float *v, size_t head_dim) {
    chosen->kv_store(type, page_head, slot, k, v, head_dim);
}

int apus_takes_quantized(int format) {
    return format != APUS_F32 && format != APUS_F16 && format != APUS_BF16;
}

size_t apus_activation_bytes(size_t rows, size_t cols) {
    size_t group = cols / 32 * APUS_ACTIVATION_GROUP * APUS_ACTIVATION_RECORD;
    // Groups a multiple of 512 bytes apart would share few cache sets.
    if (group % 512 == 0)
        group += 64;
    return (rows + APUS_ACTIVATION_GROUP - 1) / APUS_ACTIVATION_GROUP * group;
}

void apus_quantize_row(const float *x, size_t cols, size_t row, uint8_t *q, uint8_t *remainder) {
    chosen->quantize_row(x, cols, row, q, remainder);
}
void apus_rms_norm(const float *x, const float *weight, float eps, size_t n, float *y) {
    chosen->rms_norm(x, weight, eps, n, y);
}
void apus_norm_quantize_row(const float *x, const float *weight, float eps, size_t cols, size_t row, uint8_t *q,
                            uint8_t *remainder) {
    chosen->norm_quantize_row(x, weight, eps, cols, row, q, remainder);
}
void apus_swiglu(const float *gate_up, size_t n, float *y) {
    chosen->swiglu(gate_up, n, y);
}
void apus_swiglu_quantize(const float *gate_up, size_t stride, size_t rows, size_t first_row, size_t block, size_t cols,
                          uint8_t *q) {
    chosen->swiglu_quantize(gate_up, stride, rows, first_row, block, cols, q);
}
void apus_layer_norm(const float *x, const float *weight, const float *bias, float eps, size_t n, float *y) {
    chosen->layer_norm(x, weight, bias, eps, n, y);
}
void apus_gelu(const float *x, size_t n, float *y) {
    chosen->gelu(x, n, y);
}
void apus_add(float *y, const float *x, size_t n) {
    chosen->add(y, x, n);
}
void apus_rope(float *x, const float *cs, size_t n, size_t heads, size_t stride) {
    chosen->rope(x, cs, n, heads, stride);
}
void apus_gelu_tanh(const float *x, size_t n, float *y) {
    chosen->gelu_tanh(x, n, y);
}
void apus_gelu_tanh_quantize(const float *x, size_t stride, size_t rows, size_t first_row, size_t block, size_t cols,
                             uint8_t *q) {
    chosen->gelu_tanh_quantize(x, stride, rows, first_row, block, cols, q);
}
void apus_geglu(const float *gate_up, size_t n, float *y) {
    chosen->geglu(gate_up, n, y);
}
void apus_geglu_quantize(const float *gate_up, size_t stride, size_t rows, size_t first_row, size_t block, size_t cols,
                         uint8_t *q) {
    chosen->geglu_quantize(gate_up, stride, rows, first_row, block, cols, q);
}
void apus_soft_cap(float *x, size_t n, float cap) {
    chosen->soft_cap(x, n, cap);
}
void apus_add_scaled(float *y, const float *x, float scale, size_t n) {
    chosen->add_scaled(y, x, scale, n);
}
size_t apus_argmax(const float *x, size_t n) {
    return chosen->argmax(x, n);
}
float apus_max(const float *x, size_t n) {
    return chosen->max(x, n);
}
int apus_group_maxima(const float *x, size_t n, float *maxima) {
    return chosen->group_maxima(x, n, maxima);
}
double apus_sum_exp(const float *x, size_t n, float max) {
    return chosen->sum_exp(x, n, max);
}
void apus_sum_weights(const float *x, size_t n, float max, float inverse_temperature, const float *maxima, float least,
                      double *sums) {
    chosen->sum_weights(x, n, max, inverse_temperature, maxima, least, sums);
}

void apus_weigh(const float *x, size_t n, float max, float inverse_temperature, float *weights, int32_t *buckets) {
    chosen->weigh(x, n, max, inverse_temperature, weights, buckets);
}
float apus_exp(float x) {
    return chosen->exp(x);
}
uint64_t apus_spin_products(size_t rounds) {
    return chosen->spin_products(rounds);
}
uint64_t apus_read_all(const uint8_t *bytes, size_t count) {
    return chosen->read_all(bytes, count);
}
