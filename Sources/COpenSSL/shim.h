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

/* A context for HMAC-SHA256 that keeps its key; NULL when the library cannot. */
static inline EVP_MAC_CTX *apus_hmac_sha256_new(const unsigned char *key, size_t length) {
    char name[] = "SHA256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                               OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    if (context && EVP_MAC_init(context, key, length, parameters) != 1) {
        EVP_MAC_CTX_free(context);
        return NULL;
    }
    return context;
}

/* Writes 32 bytes; 1 when that was done. */
static inline int apus_hmac_sha256(EVP_MAC_CTX *context, const unsigned char *bytes, size_t length,
                                   unsigned char *digest) {
    size_t written = 0;
    return EVP_MAC_init(context, NULL, 0, NULL) == 1 && EVP_MAC_update(context, bytes, length) == 1 &&
           EVP_MAC_final(context, digest, &written, 32) == 1 && written == 32;
}
