/* OpenSSL 3 as Swift can import it: function-like macros become inline functions. */
#include <openssl/ssl.h>
#include <openssl/err.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <string.h>

static inline int apus_ssl_ctx_set_min_version(SSL_CTX *ctx, int version) {
    return (int)SSL_CTX_set_min_proto_version(ctx, version);
}

/* No renegotiation (a client could demand handshakes for ever), no compression (CRIME), our preference of ciphers. */
static inline void apus_ssl_ctx_set_options(SSL_CTX *ctx) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_max_cert_list(ctx, 16 * 1024);
}

static inline int apus_ssl_set_server_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}

static inline void apus_bio_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void apus_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }

/* The peer's certificate as a URI subject alternative name, compared by length and bytes: a NUL in it tricks nobody. */
static inline int apus_ssl_peer_has_uri(SSL *ssl, const void *uri, size_t length) {
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (!certificate) return 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    if (!names) return 0;
    int found = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI) continue;
        const ASN1_IA5STRING *value = name->d.uniformResourceIdentifier;
        if (ASN1_STRING_length(value) == (int)length && memcmp(ASN1_STRING_get0_data(value), uri, length) == 0)
            found = 1;
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* SHA-256 of 64 bytes so far, to begin digests from; NULL when the library cannot. */
static inline EVP_MD_CTX *apus_sha256_after(const unsigned char *block) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context && (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1 || EVP_DigestUpdate(context, block, 64) != 1)) {
        EVP_MD_CTX_free(context);
        return NULL;
    }
    return context;
}

/* Goes on from `start` with `length` bytes and writes the 32 of the digest; 1 when that was done. `context` is used up. */
static inline int apus_sha256_from(const EVP_MD_CTX *start, EVP_MD_CTX *context, const unsigned char *bytes,
                                   size_t length, unsigned char *digest) {
    unsigned int written = 0;
    return EVP_MD_CTX_copy_ex(context, start) == 1 && EVP_DigestUpdate(context, bytes, length) == 1 &&
           EVP_DigestFinal_ex(context, digest, &written) == 1 && written == 32;
}
