// A step of Adam over all parameters, the clip of the gradient's global norm included: each number is read once.
#pragma once

#include "common.h"

namespace {

struct AdamSettings {
  float rate, beta1, beta2, epsilon;  // corrected for the step's number
  float max_norm;                     // 0: no clip
};

// numbers[i] of parameters[i], and so on. Returns the gradients' global norm, before the clip.
inline double adam(Index count, int threads, const Index* numbers, float* const* parameters,
                   const float* const* gradients, float* const* moments1, float* const* moments2,
                   const AdamSettings& s) {
  struct Part {
    Index parameter, begin, end;
  };
  constexpr Index most = 1 << 16;
  std::vector<Part> parts;
  for (Index i = 0; i < count; ++i)
    for (Index begin = 0; begin < numbers[i]; begin += most)
      parts.push_back({i, begin, std::min(begin + most, numbers[i])});
  std::vector<double> squares(parts.size());
  for_each(parts.size(), threads, [&](Index k) {
    const float* g = gradients[parts[k].parameter];
    double total = 0;
    for (Index from = parts[k].begin; from < parts[k].end; from += 1024) {  // few enough to add up in float32
      float sum = 0;
      const Index to = std::min(from + 1024, parts[k].end);
#pragma omp simd reduction(+ : sum)
      for (Index j = from; j < to; ++j) sum += g[j] * g[j];
      total += sum;
    }
    squares[k] = total;
  });
  double norm = 0;
  for (const double square : squares) norm += square;
  norm = std::sqrt(norm);
  const float scale = s.max_norm > 0 && norm > s.max_norm ? float(s.max_norm / norm) : 1.0f;
  for_each(parts.size(), threads, [&](Index k) {
    const Part& part = parts[k];
    float* __restrict__ p = parameters[part.parameter];
    const float* __restrict__ g = gradients[part.parameter];
    float *__restrict__ m1 = moments1[part.parameter], *__restrict__ m2 = moments2[part.parameter];
#pragma omp simd
    for (Index j = part.begin; j < part.end; ++j) {
      const float d = g[j] * scale;
      m1[j] = s.beta1 * m1[j] + (1 - s.beta1) * d;
      m2[j] = s.beta2 * m2[j] + (1 - s.beta2) * d * d;
      p[j] -= s.rate * m1[j] / (std::sqrt(m2[j]) + s.epsilon);
    }
  });
  return norm;
}

// table [rows, dim] = 0, then to row ids[i] the row i of `from` [count, dim] is added, in this order.
template <class T>
void scatter_rows(Index rows, Index count, Index dim, int threads, const Index* ids, const T* from, T* table) {
  const Index chunks = threads > 1 ? 4 * threads : 1;
  for_each(chunks, threads, [&](Index chunk) {
    const Index first = rows * chunk / chunks, last = rows * (chunk + 1) / chunks;
    std::memset(table + first * dim, 0, (last - first) * dim * sizeof(T));
    for (Index i = 0; i < count; ++i) {
      if (ids[i] < first || ids[i] >= last) continue;
      T* __restrict__ to = table + ids[i] * dim;
      const T* __restrict__ row = from + i * dim;
#pragma omp simd
      for (Index j = 0; j < dim; ++j) to[j] += row[j];
    }
  });
}

}  // namespace
