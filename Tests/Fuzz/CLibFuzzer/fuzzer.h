#include <stddef.h>
#include <stdint.h>

/// libFuzzer as a library: runs `one` on inputs until its flags say stop. Takes argc and argv as main gets them.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*one)(const uint8_t *data, size_t size));
