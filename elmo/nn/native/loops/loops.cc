// The inner loops of the package in float32 and float64, and with products in bfloat16; compiled and called by build.py.
//
// A batch is cut into chunks of rows, and each chunk goes through all time steps on one thread without waiting for the
// others. Weights are packed once per call. Nothing here checks what it is given: signatures.py has, before any call.

#include "crf.h"
#include "gru.h"
#include "lstmp.h"
#include "onednn.h"
#include "optimizer.h"
#include "softmax.h"
#include "transformer.h"

namespace {

// A matrix as products take it: itself, or a copy in `room`.
inline const Bf16* rounded(const Bf16* from, std::vector<Bf16>&, Index, int) { return from; }
inline const Bf16* rounded(const float* from, std::vector<Bf16>& room, Index count, int threads) {
  constexpr Index block = 1 << 15;
  room.resize(count);
  for_each((count + block - 1) / block, threads, [&](Index i) {
    convert(room.data() + i * block, from + i * block, std::min(block, count - i * block));
  });
  return room.data();
}

template <class A, class B>
void product(Index m, Index n, Index k, int transposed_a, int transposed_b, int threads, const A* a, const B* b,
             float* c) {
  std::vector<Bf16> room_a, room_b;
  onednn::product(m, n, k, rounded(a, room_a, m * k, threads), transposed_a, rounded(b, room_b, k * n, threads),
                  transposed_b, c);
}

BlockDrops drops(const Index* seeds, float dropout, float attention_dropout) {
  const auto seed = [&](int i) { return static_cast<std::uint32_t>(seeds[i]); };
  return {{seed(0), attention_dropout}, {seed(1), dropout}, {seed(2), dropout}};
}

}  // namespace

extern "C" {

void elmo_use_threads_of(void* gomp_parallel) { parallel = reinterpret_cast<Parallel>(gomp_parallel); }

int elmo_use_onednn(const char* path) { return onednn::open(path); }

// 0, or what failed since the last time this was asked: see `failure`.
int elmo_failure() { return failure.exchange(0); }

double elmo_adam(Index count, int threads, const Index* numbers, float* const* parameters, const float* const* gradients,
                 float* const* moments1, float* const* moments2, float rate, float beta1, float beta2, float epsilon,
                 float max_norm) {
  double norm = 0;
  guarded([&] {
    norm = adam(count, threads, numbers, parameters, gradients, moments1, moments2,
                {rate, beta1, beta2, epsilon, max_norm});
  });
  return norm;
}

#define ELMO_SCATTER(T, suffix)                                                                                        \
  void elmo_scatter_rows_##suffix(Index rows, Index count, Index dim, int threads, const Index* ids, const T* from,    \
                                  T* table) {                                                                          \
    guarded([&] { scatter_rows<T>(rows, count, dim, threads, ids, from, table); });                                    \
  }

ELMO_SCATTER(float, float32)
ELMO_SCATTER(double, float64)

#define ELMO_VITERBI(T, suffix)                                                                                        \
  void elmo_viterbi_##suffix(Index steps, Index tag_count, int threads, const Index* counts, const T* emissions,       \
                             const T* transitions, Index* tags) {                                                      \
    guarded([&] { viterbi<T>({steps, tag_count, threads, counts}, emissions, transitions, tags); });                   \
  }

ELMO_VITERBI(float, float32)
ELMO_VITERBI(double, float64)

#define ELMO_PRODUCT(A, B, suffix)                                                                                     \
  void elmo_product_##suffix(Index m, Index n, Index k, Index transposed_a, Index transposed_b, int threads,           \
                             const A* a, const B* b, float* c) {                                                       \
    guarded([&] {                                                                                                      \
      product<A, B>(m, n, k, transposed_a, transposed_b, threads, a, b, c);                                            \
    });                                                                                                                \
  }

ELMO_PRODUCT(float, float, float32_float32)
ELMO_PRODUCT(float, Bf16, float32_bfloat16)
ELMO_PRODUCT(Bf16, float, bfloat16_float32)
ELMO_PRODUCT(Bf16, Bf16, bfloat16_bfloat16)

#define ELMO_FUNCTIONS(T, S, suffix)                                                                                   \
  void elmo_lstmp_forward_##suffix(Index batch, Index time, Index input, Index hidden_size, Index proj, int threads,   \
                                   T cell_clip, T proj_clip, const T* inputs, const T* hidden, const T* cell,          \
                                   const T* weight, const T* bias, const T* projection, T* outputs, T* last_cell,      \
                                   S* inputs_hiddens, S* gates, T* cells, S* unprojected) {                            \
    guarded([&] {                                                                                                      \
      lstmp_forward<T, S>({batch, time, input, hidden_size, proj, threads}, inputs, hidden, cell, weight, bias,        \
                          projection, cell_clip, proj_clip, outputs, last_cell, inputs_hiddens, gates, cells,          \
                          unprojected);                                                                                \
    });                                                                                                                \
  }                                                                                                                    \
  void elmo_lstmp_backward_##suffix(Index batch, Index time, Index input, Index hidden_size, Index proj, int threads,  \
                                    T cell_clip, T proj_clip, const T* cell, const T* weight, const T* projection,     \
                                    const S* inputs_hiddens, const S* gates, const T* cells, const T* d_outputs,       \
                                    T* d_cell, T* d_hidden, T* d_inputs, S* d_gates, S* d_projected, T* d_bias) {      \
    guarded([&] {                                                                                                      \
      lstmp_backward<T, S>({batch, time, input, hidden_size, proj, threads}, cell, weight, projection, cell_clip,      \
                           proj_clip, inputs_hiddens, gates, cells, d_outputs, d_cell, d_hidden, d_inputs, d_gates,    \
                           d_projected, d_bias);                                                                       \
    });                                                                                                                \
  }                                                                                                                    \
  void elmo_softmax_forward_##suffix(Index rows, Index count, Index dim, int threads, const T* features,               \
                                     const T* candidates, const T* biases, const T* label_logits, const Index* hits,   \
                                     T* losses, T* label_probabilities, S* probabilities, T* means) {                  \
    guarded([&] {                                                                                                      \
      softmax_forward<T, S>(rows, count, dim, threads, features, candidates, biases, label_logits, hits, losses,       \
                            label_probabilities, probabilities, means);                                                \
    });                                                                                                                \
  }

#define ELMO_GRU(T, S, suffix)                                                                                         \
  void elmo_gru_forward_##suffix(Index steps, Index hidden_size, int threads, const Index* counts,                     \
                                 const T* gate_weight, const T* candidate_weight, T* gates, T* candidates, T* outputs, \
                                 T* before, T* reset_hiddens) {                                                        \
    guarded([&] {                                                                                                      \
      gru_forward<T, S>({steps, hidden_size, threads, counts}, gate_weight, candidate_weight, gates, candidates,       \
                        outputs, before, reset_hiddens);                                                               \
    });                                                                                                                \
  }                                                                                                                    \
  void elmo_gru_backward_##suffix(Index steps, Index hidden_size, int threads, const Index* counts,                    \
                                  const T* gate_weight, const T* candidate_weight, const T* gates,                     \
                                  const T* candidates, const T* before, const T* d_outputs, T* d_gates,                \
                                  T* d_candidates) {                                                                   \
    guarded([&] {                                                                                                      \
      gru_backward<T, S>({steps, hidden_size, threads, counts}, gate_weight, candidate_weight, gates, candidates,      \
                         before, d_outputs, d_gates, d_candidates);                                                    \
    });                                                                                                                \
  }

ELMO_FUNCTIONS(float, float, float32)
ELMO_FUNCTIONS(float, Bf16, bfloat16)
ELMO_FUNCTIONS(double, double, float64)
ELMO_GRU(float, float, float32)
ELMO_GRU(float, Bf16, bfloat16)
ELMO_GRU(double, double, float64)

#define ELMO_BLOCK(S, suffix)                                                                                          \
  void elmo_block_forward_##suffix(                                                                                    \
      Index batch, Index time, Index dim, Index inner, Index heads, Index is_gelu, int threads, float eps,             \
      float dropout, float attention_dropout, const float* rows, const Index* lengths, const Index* seeds,             \
      const float* qkv, const float* attention_output, const float* attention_norm, const float* intermediate,         \
      const float* output, const float* output_norm, const float* qkv_bias, const float* attention_output_bias,        \
      const float* attention_norm_bias, const float* intermediate_bias, const float* output_bias, const float* output_norm_bias, \
      float* results, S* kept_rows, S* kept_qkv, S* weights, S* context,                                               \
      float* normal1, float* scale1, S* middle, S* kept_inner, S* activated, float* normal2, float* scale2) {          \
    const BlockKept<S> kept{kept_rows, kept_qkv, weights,    context, normal1, scale1,                                 \
                            middle,    kept_inner, activated, normal2, scale2};                                        \
    guarded([&] {                                                                                                      \
      block_forward<S>({batch, time, dim, inner, heads, threads, eps, is_gelu != 0},                                   \
                       {qkv, qkv_bias, attention_output, attention_output_bias, attention_norm, attention_norm_bias,   \
                        intermediate, intermediate_bias, output, output_bias, output_norm, output_norm_bias},          \
                       drops(seeds, dropout, attention_dropout), rows, lengths, results, kept_rows ? &kept : nullptr); \
    });                                                                                                                \
  }                                                                                                                    \
  void elmo_block_backward_##suffix(                                                                                   \
      Index batch, Index time, Index dim, Index inner, Index heads, Index is_gelu, int threads, float eps,             \
      float dropout, float attention_dropout, const Index* lengths, const Index* seeds, const float* qkv,              \
      const float* attention_output, const float* attention_norm, const float* intermediate, const float* output,      \
      const float* output_norm, S* kept_qkv, S* weights, float* normal1, float* scale1, S* kept_inner,                 \
      float* normal2, float* scale2, const float* d_results, float* d_rows, S* d_qkv, S* d_attended, S* d_inner,       \
      S* d_output, float* d_qkv_bias, float* d_attention_output_bias, float* d_attention_norm_bias,                    \
      float* d_intermediate_bias, float* d_output_bias, float* d_output_norm_bias, float* d_attention_norm, float* d_output_norm) { \
    const BlockKept<S> kept{nullptr, kept_qkv,   weights, nullptr, normal1, scale1,                                    \
                            nullptr, kept_inner, nullptr, normal2, scale2};                                            \
    guarded([&] {                                                                                                      \
      block_backward<S>({batch, time, dim, inner, heads, threads, eps, is_gelu != 0},                                  \
                        {qkv, nullptr, attention_output, nullptr, attention_norm, nullptr, intermediate, nullptr,      \
                         output, nullptr, output_norm, nullptr},                                                       \
                        drops(seeds, dropout, attention_dropout), lengths, kept, d_results,                            \
                        {d_rows, d_qkv, d_attended, d_inner, d_output, d_qkv_bias, d_attention_output_bias,            \
                         d_attention_norm, d_attention_norm_bias, d_intermediate_bias, d_output_bias, d_output_norm,   \
                         d_output_norm_bias});                                                                         \
    });                                                                                                                \
  }

ELMO_BLOCK(float, float32)
ELMO_BLOCK(Bf16, bfloat16)
}
