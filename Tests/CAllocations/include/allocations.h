/// Allocations that the calling thread has made since it began. Linked into a program, this counts all of them.
long apus_allocation_count(void);
