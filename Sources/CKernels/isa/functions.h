/// The functions that exist once per instruction set.
#ifndef APUS_FUNCTIONS_H
#define APUS_FUNCTIONS_H

#include "../include/apus_kernels.h"
#include <string.h>

/// A query row's state after a segment: the sums of values (head_dim), 16 partial sums of weights, the largest score,
/// which the weights are relative to.
#define APUS_STATE_FLOATS(head_dim) ((head_dim) + 32)

typedef struct {
    void (*matmul)(int, const uint8_t *, size_t, size_t, size_t, const void *, size_t, float *, size_t, int);
    void (*attention)(const apus_attention_rows *, float *, size_t, float *);
    void (*attention_segment)(const apus_attention_rows *, size_t, float *, float *);
    void (*attention_join)(const apus_attention_rows *, float *, size_t, float *, size_t);
    void (*kv_store)(int, uint8_t *, size_t, const float *, const float *, size_t);
    void (*quantize_row)(const float *, size_t, size_t, uint8_t *, uint8_t *);
    void (*rms_norm)(const float *, const float *, float, size_t, float *);
    void (*norm_quantize_row)(const float *, const float *, float, size_t, size_t, uint8_t *, uint8_t *);
    void (*swiglu)(const float *, size_t, float *);
    void (*swiglu_quantize)(const float *, size_t, size_t, size_t, size_t, size_t, uint8_t *);
    void (*layer_norm)(const float *, const float *, const float *, float, size_t, float *);
    void (*gelu)(const float *, size_t, float *);
    void (*add)(float *, const float *, size_t);
    void (*rope)(float *, const float *, size_t, size_t, size_t);
    void (*gelu_tanh)(const float *, size_t, float *);
    void (*gelu_tanh_quantize)(const float *, size_t, size_t, size_t, size_t, size_t, uint8_t *);
    void (*geglu)(const float *, size_t, float *);
    void (*geglu_quantize)(const float *, size_t, size_t, size_t, size_t, size_t, uint8_t *);
    void (*soft_cap)(float *, size_t, float);
    void (*add_scaled)(float *, const float *, float, size_t);
    size_t (*argmax)(const float *, size_t);
    float (*max)(const float *, size_t);
    int (*group_maxima)(const float *, size_t, float *);
    double (*sum_exp)(const float *, size_t, float);
    void (*sum_weights)(const float *, size_t, float, float, const float *, float, double *);
    void (*weigh)(const float *, size_t, float, float, float *, int32_t *);
    float (*exp)(float);
    uint64_t (*spin_products)(size_t);
    uint64_t (*read_all)(const uint8_t *, size_t);
} apus_functions;

extern const apus_functions apus_functions_plain;
#if defined(__x86_64__)
extern const apus_functions apus_functions_avx2;
extern const apus_functions apus_functions_avx512;
extern const apus_functions apus_functions_amx;
#elif defined(__aarch64__)
extern const apus_functions apus_functions_neon;
#endif

#endif
