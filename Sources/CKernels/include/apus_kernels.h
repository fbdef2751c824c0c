/// The C kernels of Apus: quantized matrix products, paged attention and the rows between them.
///
/// Every output element is computed in one fixed order that depends on neither the number of rows, nor the row's place,
/// nor threads, nor the instruction set: all variants give the same bits. README.md tells layouts and names.
/// Callers own all memory; nothing here allocates, locks or keeps state but the table of chosen functions.
#ifndef APUS_KERNELS_H
#define APUS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// Weight formats as GGUF files number them.
typedef enum {
    APUS_F32 = 0,
    APUS_F16 = 1,
    APUS_Q4_0 = 2,
    APUS_Q4_1 = 3,
    APUS_Q5_0 = 6,
    APUS_Q5_1 = 7,
    APUS_Q8_0 = 8,
    APUS_Q4_K = 12,
    APUS_Q5_K = 13,
    APUS_Q6_K = 14,
    APUS_BF16 = 30,
} apus_format;

enum {
    /// Output rows of one panel of weights.
    APUS_PANEL_ROWS = 32,
    /// Tokens whose attention is summed up by itself.
    APUS_SEGMENT_TOKENS = 1024,
    /// Tokens of one KV page.
    APUS_PAGE_TOKENS = 32,
    /// Bytes that 32 quantized activations take.
    APUS_ACTIVATION_RECORD = 48,
    /// Rows of quantized activations that lie together.
    APUS_ACTIVATION_GROUP = 16,
};

/// Instruction sets. Larger is preferred when the machine has it.
typedef enum {
    APUS_ISA_PLAIN = 0,
    APUS_ISA_AVX2 = 1,
    APUS_ISA_AVX512 = 2,
    APUS_ISA_NEON = 3,
    APUS_ISA_AMX = 4,
} apus_isa;

/// 1 when this machine can run that variant.
int apus_isa_available(apus_isa isa);
/// Chooses the variant all functions below use. Not thread-safe: before any thread computes. Returns 0 if unavailable.
int apus_isa_select(apus_isa isa);
apus_isa apus_isa_selected(void);

// Weights

/// Values of one block of a GGUF row (1, 32 or 256) and its bytes; 0 for an unknown format.
size_t apus_block_values(int format);
size_t apus_block_bytes(int format);

/// Bytes of one panel: 32 rows of `cols` weights. cols % block_values == 0. 0 for an unknown format.
size_t apus_panel_bytes(int format, size_t cols);

/// Writes one panel from 32 rows in GGUF's layout.
/// @param rows 32 pointers, each to cols / block_values blocks; NULL stands for a row of zeros (padding)
/// @param panel (apus_panel_bytes) overwritten, 64-byte aligned
void apus_pack_panel(int format, const uint8_t *_Nullable const *_Nonnull rows, size_t cols, uint8_t *panel);

/// y[i] = value i of a row in GGUF's layout. @param y (count) overwritten  @pre count % block_values == 0
void apus_dequantize(int format, const uint8_t *row, size_t count, float *y);

/// The other way: stores x as F32, F16, Q8_0 or Q4_0, to nearest; quantize.c defines each.
/// @param row (count / block_values * block_bytes) overwritten  @pre count % block_values == 0
/// @return 1; 0 when x has a NaN, an infinity or a number too large for the format (its block then reads back as NaN or
/// infinite), or the format is another
int apus_quantize(int format, const float *x, size_t count, uint8_t *row);

// Activations

/// 1 when products with this format take quantized activations, 0 when they take f32 rows.
int apus_takes_quantized(int format);

/// Bytes of `rows` rows of `cols` quantized activations (rows round up to groups of 16). cols % 32 == 0.
size_t apus_activation_bytes(size_t rows, size_t cols);

/// Quantizes row `row` of a matrix of activations: int8 per 32 values with d = max|x| / 127, and the half sums.
/// Blocks whose magnitudes are all below 1e-30 become zeros. A block with a NaN or infinity gets the scale NaN: every
/// output of its row shows it, no other row does.
/// @param x (cols)  @param q (apus_activation_bytes) of the whole matrix, 64-byte aligned
/// @param remainder NULL, or a matrix like `q`: x - d q, quantized again. Both products together see 15 bits of x.
void apus_quantize_row(const float *x, size_t cols, size_t row, uint8_t *q, uint8_t *_Nullable remainder);

/// y = x / sqrt(mean(x^2) + eps) * weight. @param y, x, weight (n), n % 16 == 0; y may be x
void apus_rms_norm(const float *x, const float *weight, float eps, size_t n, float *y);

/// apus_quantize_row of what apus_rms_norm gives, which is not written anywhere. cols % 32 == 0
void apus_norm_quantize_row(const float *x, const float *weight, float eps, size_t cols, size_t row, uint8_t *q,
                            uint8_t *_Nullable remainder);

/// y[i] = silu(gate[i]) * up[i], where gate_up holds runs of 32 gates and 32 ups in turn. @param y (n), n % 32 == 0
void apus_swiglu(const float *gate_up, size_t n, float *y);

/// Gates one panel pair of `rows` rows and quantizes the 32 values of each into block `block` of rows `first_row`... of
/// activations `q` of `cols` columns. @param gate_up row i at gate_up + i * stride: 32 gates, 32 ups
void apus_swiglu_quantize(const float *gate_up, size_t stride, size_t rows, size_t first_row, size_t block, size_t cols,
                          uint8_t *q);

/// y = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias. @param y, x, weight, bias (n), n % 16 == 0; y may be x
void apus_layer_norm(const float *x, const float *weight, const float *bias, float eps, size_t n, float *y);

/// y[i] = x[i] * Phi(x[i]), with the normal distribution as erf has it, within 4e-7 * |x|.
/// @param y, x (n), n % 16 == 0; y may be x
void apus_gelu(const float *x, size_t n, float *y);

/// y[i] += x[i]
void apus_add(float *y, const float *x, size_t n);

/// Rotates `heads` heads in place: pairs (i, i + n/2) for i < n/2, by table angles. Dimensions from n on stay.
/// @param x head h at x + h * stride @param cs (n/2 cos, n/2 sin)
void apus_rope(float *x, const float *cs, size_t n, size_t heads, size_t stride);

// Other families

/// y[i] = x[i] (1 + tanh(sqrt(2 / pi) (x[i] + 0.044715 x[i]^3))) / 2. @param y (n), n % 16 == 0; y may be x
void apus_gelu_tanh(const float *x, size_t n, float *y);

/// As apus_swiglu_quantize, of 32 values at x + i * stride without a gate.
void apus_gelu_tanh_quantize(const float *x, size_t stride, size_t rows, size_t first_row, size_t block, size_t cols,
                             uint8_t *q);

/// As apus_swiglu and apus_swiglu_quantize, the gates by apus_gelu_tanh.
void apus_geglu(const float *gate_up, size_t n, float *y);
void apus_geglu_quantize(const float *gate_up, size_t stride, size_t rows, size_t first_row, size_t block, size_t cols,
                         uint8_t *q);

/// x[i] = cap tanh(x[i] / cap). n % 16 == 0, cap > 0
void apus_soft_cap(float *x, size_t n, float cap);

/// y[i] += scale x[i], rounded once. n % 16 == 0
void apus_add_scaled(float *y, const float *x, float scale, size_t n);

// Products

/// y[m][32 p + r] = sum_k W[32 p + r][k] * a[m][k] for panels first <= p < last and all rows m.
/// @param panels the whole matrix, panel after panel, 64-byte aligned
/// @param a quantized activations of `rows` rows (or f32 rows of stride `cols`, see apus_takes_quantized)
/// @param y (rows, y_stride) f32; columns of these panels are overwritten
/// Cost: reads the panels once for every 64 rows; about one multiply-add of 4 values per lane and cycle after that.
void apus_matmul(int format, const uint8_t *panels, size_t first, size_t last, size_t cols, const void *a, size_t rows,
                 float *y, size_t y_stride);

/// The same, added to what y holds: one addition of the finished sum.
void apus_matmul_add(int format, const uint8_t *panels, size_t first, size_t last, size_t cols, const void *a,
                     size_t rows, float *y, size_t y_stride);

// Paged attention

/// How pages hold keys and values.
typedef enum {
    APUS_KV_F16 = 0,
    /// Signed bytes, a scale for each token and kv head.
    APUS_KV_Q8 = 1,
} apus_kv_type;

/// Bytes of one (page, kv head): K as [head_dim][32], V as [32][head_dim], of f16 or bytes; behind bytes the scales of
/// K and of V, 32 x f32 each.
size_t apus_page_head_bytes(int type, size_t head_dim);

/// Stores one token's key and value. @param page_head of (page, kv head)  @param slot 0...31  @param k, v (head_dim)
/// As bytes, d = max|x| / 127 over the head's dimensions, NaN when some number is not finite; magnitudes below 1e-30
/// become zeros.
void apus_kv_store(int type, uint8_t *page_head, size_t slot, const float *k, const float *v, size_t head_dim);

/// Query rows of one sequence, and the kv head that they attend to: token t's key and value are in pages[t / 32], slot
/// t % 32. @pre head_dim % 16 == 0, head_dim <= 256
typedef struct {
    /// apus_kv_type
    int type;
    /// Row i of head_dim f32 at q + i * q_stride; scores are multiplied by `scale`.
    const float *q;
    size_t q_stride;
    /// Position of each row: it sees tokens 0...position.
    const int32_t *positions;
    size_t rows;
    const int32_t *pages;
    /// Page 0's part for the kv head, and bytes from page to page.
    const uint8_t *kv_base;
    size_t page_stride;
    size_t head_dim;
    float scale;
    /// A row sees its own token and the window - 1 before it; 0: all.
    int32_t window;
    /// Scores become cap tanh(score / cap); 0: they stay.
    float cap;
    /// The first two pages' parts that the same thread attends to next, fetched meanwhile; NULL: nothing.
    const uint8_t *_Nullable next[2];
} apus_attention_rows;

/// Attention, causal: softmax in steps of 64 tokens at absolute positions, from the start in each segment of
/// APUS_SEGMENT_TOKENS; segments are joined in ascending order. So segments may be computed apart, and in any order.
/// @param out row i at out + i * out_stride, overwritten
/// @param scratch (apus_attention_scratch(rows, head_dim)) f32
void apus_attention(const apus_attention_rows *rows, float *out, size_t out_stride, float *scratch);
size_t apus_attention_scratch(size_t rows, size_t head_dim);

/// What rows see of one segment. @param states (rows, apus_attention_state(head_dim)) f32, overwritten
/// @param scratch as apus_attention
void apus_attention_segment(const apus_attention_rows *rows, size_t segment, float *states, float *scratch);
/// The attention of rows from the states of all segments up to each row's own.
/// @param states segment s at states + s * segment_stride; the first one's are overwritten
void apus_attention_join(const apus_attention_rows *rows, float *states, size_t segment_stride, float *out,
                         size_t out_stride);
size_t apus_attention_state(size_t head_dim);

// Logits

/// Index of the largest value, the lowest on a tie; NaN never wins; 0 when all are NaN.
size_t apus_argmax(const float *x, size_t n);
/// Largest value; -inf for n == 0 or all NaN.
float apus_max(const float *x, size_t n);
/// sum_i exp(x[i] - max), in 16 lanes and one fixed tree.
double apus_sum_exp(const float *x, size_t n, float max);
/// maxima[g] = largest of x[128 g ..< 128 (g + 1)], the last group being shorter; NaN never wins.
/// @return 0 when some x is NaN, else 1
int apus_group_maxima(const float *x, size_t n, float *maxima);
/// sums[r] = sum of W(x[i]) over i in 512 r ..< 512 (r + 1), W(x) = exp((x - max) * inverse_temperature) as
/// Engine/TokenWeight.swift defines it, rounded to a multiple of 2^-34. Exact, so in no order. @pre x <= max, so that W
/// <= 1
/// @param maxima of apus_group_maxima  @param least groups whose maximum is below it count nothing
void apus_sum_weights(const float *x, size_t n, float max, float inverse_temperature, const float *maxima, float least,
                      double *sums);
/// weights[i] = W(x[i]), which has few enough bits for a float; buckets[i] = (max - x[i]) * inverse_temperature, at
/// most 25, in 16ths: never less for a lower x.
void apus_weigh(const float *x, size_t n, float max, float inverse_temperature, float *weights, int32_t *buckets);
/// exp of one value by apus_sum_exp's polynomial: exactly 1 for 0, 0 below -87, as if 88 above that.
float apus_exp(float x);

// Limits of the machine, for figures to be held against

/// Does `rounds` rounds of the byte products that the chosen instruction set has for apus_matmul, on registers alone.
/// @return operations done, two for each multiply-add
uint64_t apus_spin_products(size_t rounds);
/// Reads `count` bytes in order, whole runs of 256. @return something that depends on all of them
uint64_t apus_read_all(const uint8_t *bytes, size_t count);

// Threads

/// Waits while *word == expected, at most nanoseconds (negative: for ever). Wakes spuriously.
void apus_futex_wait(const uint32_t *word, uint32_t expected, int64_t nanoseconds);
void apus_futex_wake(const uint32_t *word, int count);
/// Names the calling thread, at most 15 bytes, for top and debuggers.
void apus_name_thread(const char *name);
/// Tells the core that this thread is spinning.
void apus_relax(void);

#pragma clang assume_nonnull end
#endif
