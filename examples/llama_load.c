/* Loads a model of llama.cpp from an archive, or from a plain GGUF file:
 *   llama_load FILE.gguf[.znn]
 * Needs llama.h and libllama; link with both libraries. */
#include <llama.h>
#include <zipnn/stdio.h>

int main(int argc, char **argv) {
    zipnn_error err;
    FILE *f = argc == 2 ? zipnn_fopen(argv[1], NULL, &err) : NULL;
    if (!f) return fprintf(stderr, "%s\n", argc == 2 ? err.message : "usage: llama_load FILE"), 1;

    struct llama_model_params params = llama_model_default_params();
    params.load_mode = LLAMA_LOAD_MODE_NONE; /* an archive cannot be mapped */
    struct llama_model *model = llama_model_load_from_file_ptr(f, params);
    fclose(f);
    if (!model) return 1;

    printf("%llu parameters\n", (unsigned long long)llama_model_n_params(model));
    llama_model_free(model);
    return 0;
}
