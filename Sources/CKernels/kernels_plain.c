/// The specification: plain C, for any machine and for tests to compare with.
#include "isa/functions.h"

#define APUS_ISA_NAME plain
#include "isa/all.inc"
