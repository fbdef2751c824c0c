/// AArch64 with the dot product extension (ARMv8.2 and later). What NEON has no operation for, the compiler splits into
/// four 128-bit registers.
#if defined(__aarch64__)
#include "isa/functions.h"
#include <arm_neon.h>

#define APUS_ISA_NAME neon
#define APUS_WITH_DOTPROD
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "isa/all.inc"
#pragma clang attribute pop
#endif
