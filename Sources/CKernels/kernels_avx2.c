#if defined(__x86_64__)
#include "isa/functions.h"
#include <immintrin.h>

#define APUS_ISA_NAME avx2
#define APUS_WITH_AVX2
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi2"))), apply_to = function)
#include "isa/all.inc"
#pragma clang attribute pop
#endif
