/// Prints the logits that llama.cpp computes after each token of a sequence, keys and values held as F32.
///
/// Usage: llama_logits MODEL CONTEXT TOKEN...        (make_families.py says how it is compiled)
#include "llama.h"

#include <stdio.h>
#include <stdlib.h>

static void print_errors(enum ggml_log_level level, const char *text, void *unused) {
    (void)unused;
    if (level >= GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

int main(int count, char **arguments) {
    if (count < 4)
        return 2;
    llama_log_set(print_errors, NULL);
    llama_backend_init();
    struct llama_model *model = llama_model_load_from_file(arguments[1], llama_model_default_params());
    if (!model)
        return 1;
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = (uint32_t)atoi(arguments[2]);
    params.n_outputs_max = params.n_outputs_max_per_seq = 512;
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.n_threads = params.n_threads_batch = 1;
    struct llama_context *context = llama_init_from_model(model, params);
    if (!context)
        return 1;
    const int tokens = count - 3;
    struct llama_batch batch = llama_batch_init(tokens, 0, 1);
    batch.n_tokens = tokens;
    for (int i = 0; i < tokens; i++) {
        batch.token[i] = atoi(arguments[3 + i]);
        batch.pos[i] = i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    if (llama_decode(context, batch))
        return 1;
    const int size = llama_vocab_n_tokens(llama_model_get_vocab(model));
    for (int i = 0; i < tokens; i++)
        for (int j = 0; j < size; j++)
            printf("%.7g%c", (double)llama_get_logits_ith(context, i)[j], j == size - 1 ? '\n' : ' ');
    return 0;
}
