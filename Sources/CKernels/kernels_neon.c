/// The same vectors, which the compiler splits into four 128-bit registers each.
#if defined(__aarch64__)
#include "isa/functions.h"

#define APUS_ISA_NAME neon
#include "isa/all.inc"
#endif
