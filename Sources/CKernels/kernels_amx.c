/// AVX-512 with products of bytes on AMX tiles (Intel SDM, volume 1, chapter 18). All but the products is AVX-512's.
#if defined(__x86_64__)
#include "isa/functions.h"
#include <immintrin.h>

#define APUS_ISA_NAME amx
#define APUS_WITH_AVX512
#define APUS_WITH_AMX
#pragma clang attribute push(                                                                                          \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c,bmi2,amx-tile,amx-int8"))),     \
    apply_to = function)
#include "isa/all.inc"
#pragma clang attribute pop
#endif
