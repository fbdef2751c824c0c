/* The system's resolver (resolver(3)), for records that getaddrinfo does not know: its functions are macros. */
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <string.h>

/* Asks for the SRV records of a name, through the search list of resolv.conf, by TCP where UDP is too short.
   Returns the answer's length, which may be more than `size`; or -1 and, in `error`, one of netdb.h's h_errno. */
static inline int apus_query_srv(const char *name, unsigned char *answer, int size, int *error) {
    struct __res_state state;
    memset(&state, 0, sizeof state);
    if (res_ninit(&state) != 0) {
        *error = NO_RECOVERY;
        return -1;
    }
    int length = res_nsearch(&state, name, ns_c_in, ns_t_srv, answer, size);
    *error = state.res_h_errno;
    res_nclose(&state);
    return length;
}
