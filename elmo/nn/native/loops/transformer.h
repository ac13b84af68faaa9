// A block of a Transformer encoder: norm(x + attention(x)), then norm(y + feed_forward(y)), in float32, with factors of
// products in S. A chunk of whole sequences goes through all of it on one thread.
#pragma once

#include "onednn.h"

namespace {

struct BlockSizes {
  Index batch, time, dim, inner, heads;
  int threads;
  float eps;
  bool gelu;
};

struct BlockParameters {
  const float *qkv, *qkv_bias, *attention_output, *attention_output_bias, *attention_norm, *attention_norm_bias;
  const float *intermediate, *intermediate_bias, *output, *output_bias, *output_norm, *output_norm_bias;
};

// What the backward pass needs; rows are [batch * time].
template <class S>
struct BlockKept {
  S *rows, *qkv, *weights;  // [rows, dim]; [rows, 3 dim], queries scaled; [batch, heads, time, time]
  S* context;               // [rows, dim]
  float *normal1, *scale1;  // [rows, dim], [rows]: normalised, before weight and bias; 1 / standard deviation
  S *middle, *inner, *activated;  // [rows, dim], what the feed forward part reads; [rows, inner] before and after gelu
  float *normal2, *scale2;
};

struct BlockDrops {
  Drop attention, attended, output;
};

// What is dropped from the attention of one sequence and head begins at this place.
inline Index attention_place(const BlockSizes& s, Index sequence, Index head) {
  return (sequence * s.heads + head) * s.time * s.time;
}

inline Index block_chunks(const BlockSizes& s) {
  const Index sequences = std::max<Index>(1, 256 / s.time);  // about 256 rows
  return std::max<Index>(std::min<Index>(s.threads, s.batch), (s.batch + sequences - 1) / sequences);
}

template <class S>
void multiply_here(Index m, Index n, Index k, const S* a, Index lda, bool transposed_a, const S* b, Index ldb,
                   bool transposed_b, float* c, Index ldc, bool alone) {
  onednn::this_thread().multiply(
      {m, n, k, lda, ldb, ldc, transposed_a, transposed_b, false, alone, onednn::type_of<S>()}, a, b, c);
}

// rows = norm(rows + dropout(added + bias)); keeps what the backward pass needs.
inline void add_and_normalise(Index dim, float eps, const Drop& drop, Index place, float* row, const float* added,
                              const float* bias, const float* weight, const float* norm_bias, float* normal,
                              float* scale) {
  float mean = 0, variance = 0;
  if (drop.threshold) {
#pragma omp simd
    for (Index j = 0; j < dim; ++j) row[j] += (added[j] + bias[j]) * drop(place + j);
  } else {
#pragma omp simd
    for (Index j = 0; j < dim; ++j) row[j] += added[j] + bias[j];
  }
#pragma omp simd reduction(+ : mean)
  for (Index j = 0; j < dim; ++j) mean += row[j];
  mean /= dim;
#pragma omp simd reduction(+ : variance)
  for (Index j = 0; j < dim; ++j) variance += (row[j] - mean) * (row[j] - mean);
  const float by = 1 / std::sqrt(variance / dim + eps);
#pragma omp simd
  for (Index j = 0; j < dim; ++j) {
    const float x = (row[j] - mean) * by;
    normal[j] = x;
    row[j] = x * weight[j] + norm_bias[j];
  }
  *scale = by;
}

// lengths [batch]: tokens of each sequence; what stands behind them is not attended to. Null: there is no padding.
template <class S>
void block_forward(const BlockSizes& s, const BlockParameters& p, const BlockDrops& drops, const float* rows,
                   const Index* lengths, float* results, const BlockKept<S>* kept) {
  const Index D = s.dim, F = s.inner, T = s.time, size = D / s.heads, chunks = block_chunks(s);
  const bool alone = s.threads > 1;
  const PackedWeights<S> qkv_weight(p.qkv, D, 3 * D, 3 * D, 1, s.threads);
  const PackedWeights<S> attention_output(p.attention_output, D, D, D, 1, s.threads);
  const PackedWeights<S> intermediate(p.intermediate, D, F, F, 1, s.threads), output(p.output, F, D, D, 1, s.threads);
  const float scaling = 1 / std::sqrt(float(size));
  for_each(chunks, s.threads, [&](Index chunk) {
    const Index begin = s.batch * chunk / chunks, count = s.batch * (chunk + 1) / chunks - begin;
    const Index N = count * T, first = begin * T;
    const Index wide = std::max(3 * D, F), p_wide = pitch<float>(wide), p_s = pitch<S>(wide), p_d = pitch<S>(D);
    std::vector<float> sums(N * p_wide), added(N * D), scores(T * T), normal(D), context(T * size);
    std::vector<S> given(N * p_d), qkv(N * p_s), parts(T * T);
    for (Index r = 0; r < N; ++r) {
      convert(&given[r * p_d], rows + (first + r) * D, D);
      if (kept) std::memcpy(kept->rows + (first + r) * D, &given[r * p_d], D * sizeof(S));
    }
    qkv_weight.multiply(N, given.data(), p_d, sums.data(), p_wide);
    for (Index r = 0; r < N; ++r) {
      float* x = &sums[r * p_wide];
#pragma omp simd
      for (Index j = 0; j < D; ++j) x[j] = (x[j] + p.qkv_bias[j]) * scaling;
#pragma omp simd
      for (Index j = D; j < 3 * D; ++j) x[j] += p.qkv_bias[j];
      convert(&qkv[r * p_s], x, 3 * D);
      if (kept) std::memcpy(kept->qkv + (first + r) * 3 * D, &qkv[r * p_s], 3 * D * sizeof(S));
    }
    for (Index i = 0; i < count; ++i) {
      const Index length = lengths ? lengths[begin + i] : T;
      for (Index head = 0; head < s.heads; ++head) {
        const S* queries = &qkv[i * T * p_s + head * size];
        multiply_here(T, T, size, queries, p_s, false, queries + D, p_s, true, scores.data(), T, alone);
        const Index place = attention_place(s, begin + i, head);
        for (Index r = 0; r < T; ++r) {
          float *x = &scores[r * T], most = x[0], total = 0;
#pragma omp simd reduction(max : most)
          for (Index j = 0; j < length; ++j) most = x[j] > most ? x[j] : most;
#pragma omp simd
          for (Index j = 0; j < length; ++j) x[j] = exponential(x[j] - most);
#pragma omp simd reduction(+ : total)
          for (Index j = 0; j < length; ++j) total += x[j];
          const float by = 1 / total;
#pragma omp simd
          for (Index j = 0; j < length; ++j) x[j] *= by;
          for (Index j = length; j < T; ++j) x[j] = 0;
          if (kept) convert(kept->weights + place + r * T, x, T);
          if (drops.attention.threshold) {
#pragma omp simd
            for (Index j = 0; j < T; ++j) x[j] *= drops.attention(place + r * T + j);
          }
        }
        convert(parts.data(), scores.data(), T * T);
        multiply_here(T, size, T, parts.data(), T, false, queries + 2 * D, p_s, false, context.data(), size, alone);
        for (Index r = 0; r < T; ++r) convert(&given[(i * T + r) * p_d + head * size], &context[r * size], size);
      }
    }
    if (kept)
      for (Index r = 0; r < N; ++r) std::memcpy(kept->context + (first + r) * D, &given[r * p_d], D * sizeof(S));
    attention_output.multiply(N, given.data(), p_d, added.data(), D);
    for (Index r = 0; r < N; ++r) {
      const Index row = first + r;
      float *x = results + row * D, scale;
      std::memcpy(x, rows + row * D, D * sizeof(float));
      add_and_normalise(D, s.eps, drops.attended, row * D, x, &added[r * D], p.attention_output_bias, p.attention_norm,
                        p.attention_norm_bias, kept ? kept->normal1 + row * D : normal.data(),
                        kept ? kept->scale1 + row : &scale);
      convert(&given[r * p_d], x, D);
      if (kept) std::memcpy(kept->middle + row * D, &given[r * p_d], D * sizeof(S));
    }
    intermediate.multiply(N, given.data(), p_d, sums.data(), p_wide);
    for (Index r = 0; r < N; ++r) {
      float* x = &sums[r * p_wide];
#pragma omp simd
      for (Index j = 0; j < F; ++j) x[j] += p.intermediate_bias[j];
      if (kept) convert(kept->inner + (first + r) * F, x, F);
      if (s.gelu) {
#pragma omp simd
        for (Index j = 0; j < F; ++j) x[j] = gelu(x[j]);
      } else {
#pragma omp simd
        for (Index j = 0; j < F; ++j) x[j] = x[j] < 0 ? 0 : x[j];
      }
      convert(&qkv[r * p_s], x, F);
      if (kept) std::memcpy(kept->activated + (first + r) * F, &qkv[r * p_s], F * sizeof(S));
    }
    output.multiply(N, qkv.data(), p_s, added.data(), D);
    for (Index r = 0; r < N; ++r) {
      const Index row = first + r;
      float scale;
      add_and_normalise(D, s.eps, drops.output, row * D, results + row * D, &added[r * D], p.output_bias,
                        p.output_norm, p.output_norm_bias, kept ? kept->normal2 + row * D : normal.data(),
                        kept ? kept->scale2 + row : &scale);
    }
  });
}

// Gradients of what the four products are made from, [rows, ...], and the rows' own.
template <class S>
struct BlockGradients {
  float* rows;
  S *qkv, *attended, *inner, *output;
  float *qkv_bias, *attention_output_bias, *attention_norm, *attention_norm_bias;
  float *intermediate_bias, *output_bias, *output_norm, *output_norm_bias;
};

// d becomes the gradient of what was normalised; the sums get those of weight and bias.
inline void normalise_backward(Index dim, const float* normal, float scale, const float* weight, float* d,
                               float* __restrict__ weight_sum, float* __restrict__ bias_sum) {
  float mean = 0, along = 0;
#pragma omp simd reduction(+ : mean, along)
  for (Index j = 0; j < dim; ++j) {
    weight_sum[j] += d[j] * normal[j];
    bias_sum[j] += d[j];
    const float x = d[j] * weight[j];
    mean += x;
    along += x * normal[j];
  }
  mean /= dim;
  along /= dim;
#pragma omp simd
  for (Index j = 0; j < dim; ++j) d[j] = (d[j] * weight[j] - mean - normal[j] * along) * scale;
}

template <class S>
void block_backward(const BlockSizes& s, const BlockParameters& p, const BlockDrops& drops, const Index* lengths,
                    const BlockKept<S>& kept, const float* d_results, const BlockGradients<S>& d) {
  const Index D = s.dim, F = s.inner, T = s.time, size = D / s.heads, chunks = block_chunks(s);
  const bool alone = s.threads > 1;
  const PackedWeights<S> qkv_weight(p.qkv, 3 * D, D, 1, 3 * D, s.threads);
  const PackedWeights<S> attention_output(p.attention_output, D, D, 1, D, s.threads);
  const PackedWeights<S> intermediate(p.intermediate, F, D, 1, F, s.threads), output(p.output, D, F, 1, D, s.threads);
  const float scaling = 1 / std::sqrt(float(size));
  const Index all_sums = 9 * D + F;
  std::vector<float> sums(chunks * all_sums);
  for_each(chunks, s.threads, [&](Index chunk) {
    const Index begin = s.batch * chunk / chunks, count = s.batch * (chunk + 1) / chunks - begin;
    const Index N = count * T, first = begin * T;
    const Index wide = std::max(3 * D, F), p_wide = pitch<float>(wide), p_s = pitch<S>(wide), p_d = pitch<S>(D);
    std::vector<float> d_wide(N * p_wide), added(N * D), d_rows(N * D), d_scores(T * T), d_part(T * size), room(wide);
    std::vector<S> given(N * p_d), d_inner(N * p_s), parts(T * T), d_parts(T * T);
    float* sum = &sums[chunk * all_sums];
    float *norm2 = sum, *norm2_bias = sum + D, *output_bias = sum + 2 * D, *norm1 = sum + 3 * D;
    float *norm1_bias = sum + 4 * D, *attended_bias = sum + 5 * D, *qkv_bias = sum + 6 * D, *inner_bias = sum + 9 * D;
    std::memcpy(d_rows.data(), d_results + first * D, N * D * sizeof(float));
    for (Index r = 0; r < N; ++r) {
      const Index row = first + r;
      float* x = &d_rows[r * D];
      normalise_backward(D, kept.normal2 + row * D, kept.scale2[row], p.output_norm, x, norm2, norm2_bias);
#pragma omp simd
      for (Index j = 0; j < D; ++j) {
        room[j] = drops.output.threshold ? x[j] * drops.output(row * D + j) : x[j];
        output_bias[j] += room[j];
      }
      convert(&given[r * p_d], room.data(), D);
      std::memcpy(d.output + row * D, &given[r * p_d], D * sizeof(S));
    }
    output.multiply(N, given.data(), p_d, d_wide.data(), p_wide);
    for (Index r = 0; r < N; ++r) {
      float* x = &d_wide[r * p_wide];
      convert(room.data(), kept.inner + (first + r) * F, F);
      if (s.gelu) {
#pragma omp simd
        for (Index j = 0; j < F; ++j) x[j] *= d_gelu(room[j]);
      } else {
#pragma omp simd
        for (Index j = 0; j < F; ++j) x[j] = room[j] > 0 ? x[j] : 0;
      }
#pragma omp simd
      for (Index j = 0; j < F; ++j) inner_bias[j] += x[j];
      convert(&d_inner[r * p_s], x, F);
      std::memcpy(d.inner + (first + r) * F, &d_inner[r * p_s], F * sizeof(S));
    }
    intermediate.multiply(N, d_inner.data(), p_s, added.data(), D);
    for (Index r = 0; r < N; ++r) {
      const Index row = first + r;
      float* x = &d_rows[r * D];
#pragma omp simd
      for (Index j = 0; j < D; ++j) x[j] += added[r * D + j];
      normalise_backward(D, kept.normal1 + row * D, kept.scale1[row], p.attention_norm, x, norm1, norm1_bias);
#pragma omp simd
      for (Index j = 0; j < D; ++j) {
        room[j] = drops.attended.threshold ? x[j] * drops.attended(row * D + j) : x[j];
        attended_bias[j] += room[j];
      }
      convert(&given[r * p_d], room.data(), D);
      std::memcpy(d.attended + row * D, &given[r * p_d], D * sizeof(S));
    }
    attention_output.multiply(N, given.data(), p_d, added.data(), D);
    for (Index r = 0; r < N; ++r) convert(&given[r * p_d], &added[r * D], D);  // of the context
    for (Index i = 0; i < count; ++i) {
      const Index length = lengths ? lengths[begin + i] : T;
      for (Index head = 0; head < s.heads; ++head) {
        const S* queries = kept.qkv + (first + i * T) * 3 * D + head * size;
        const S* d_context = &given[i * T * p_d + head * size];
        float* d_queries = &d_wide[i * T * p_wide + head * size];
        const Index place = attention_place(s, begin + i, head);
        multiply_here(T, T, size, d_context, p_d, false, queries + 2 * D, 3 * D, true, d_scores.data(), T, alone);
        for (Index r = 0; r < T; ++r) {
          float *x = &d_scores[r * T], along = 0;
          std::vector<float>& weights = room;
          if (Index(weights.size()) < T) weights.resize(T);
          convert(weights.data(), kept.weights + place + r * T, T);
          const float* w = weights.data();
          if (drops.attention.threshold) {
#pragma omp simd reduction(+ : along)
            for (Index j = 0; j < length; ++j) {
              const float keep = drops.attention(place + r * T + j);
              x[j] *= keep;
              parts[r * T + j] = as_product<S>(w[j] * keep);
              along += x[j] * w[j];
            }
          } else {
#pragma omp simd reduction(+ : along)
            for (Index j = 0; j < length; ++j) {
              parts[r * T + j] = as_product<S>(w[j]);
              along += x[j] * w[j];
            }
          }
#pragma omp simd
          for (Index j = 0; j < length; ++j) x[j] = w[j] * (x[j] - along);
          for (Index j = length; j < T; ++j) {
            x[j] = 0;
            parts[r * T + j] = as_product<S>(0);
          }
        }
        convert(d_parts.data(), d_scores.data(), T * T);
        multiply_here(T, size, T, d_parts.data(), T, false, queries + D, 3 * D, false, d_queries, p_wide, alone);
        multiply_here(T, size, T, d_parts.data(), T, true, queries, 3 * D, false, d_queries + D, p_wide, alone);
        multiply_here(T, size, T, parts.data(), T, true, d_context, p_d, false, d_queries + 2 * D, p_wide, alone);
      }
    }
    for (Index r = 0; r < N; ++r) {
      float* x = &d_wide[r * p_wide];
#pragma omp simd
      for (Index j = 0; j < D; ++j) x[j] *= scaling;
#pragma omp simd
      for (Index j = 0; j < 3 * D; ++j) qkv_bias[j] += x[j];
      convert(&d_inner[r * p_s], x, 3 * D);
      std::memcpy(d.qkv + (first + r) * 3 * D, &d_inner[r * p_s], 3 * D * sizeof(S));
    }
    qkv_weight.multiply(N, d_inner.data(), p_s, added.data(), D);
    for (Index r = 0; r < N; ++r)
#pragma omp simd
      for (Index j = 0; j < D; ++j) d.rows[(first + r) * D + j] = d_rows[r * D + j] + added[r * D + j];
  });
  float* to[] = {d.output_norm,         d.output_norm_bias,      d.output_bias, d.attention_norm,
                 d.attention_norm_bias, d.attention_output_bias, d.qkv_bias,    d.intermediate_bias};
  const Index counts[] = {D, D, D, D, D, D, 3 * D, F};
  Index begin = 0;
  for (int part = 0; part < 8; begin += counts[part++])
    for (Index j = 0; j < counts[part]; ++j) {
      float total = 0;
      for (Index chunk = 0; chunk < chunks; ++chunk) total += sums[chunk * all_sums + begin + j];
      to[part][j] = total;
    }
}

}  // namespace
