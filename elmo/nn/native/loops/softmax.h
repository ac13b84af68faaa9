// Softmax of rows over candidates that all rows share: a sample of the vocabulary beside each row's label, or all of it.
#pragma once

#include <optional>

#include "onednn.h"

namespace {

// Sampled: a row's label is no candidate, and has its logit in label_logits; candidate hits[row], where it is not
// negative, is the same word and left out. Full: label_logits is null, and candidate hits[row] is the label.
// Gives the loss of each row, the probabilities of its label and of the candidates [rows, count] (S: the type of
// products), and the mean candidate [rows, dim] under these; with label_probabilities null, the losses alone.
template <class T, class S>
void softmax_forward(Index rows, Index count, Index dim, int threads, const T* features, const T* candidates,
                     const T* biases, const T* label_logits, const Index* hits, T* losses, T* label_probabilities,
                     S* probabilities, T* means) {
  const Weights<T, S> packed(candidates, dim, count, 1, dim, threads);
  const bool record = label_probabilities != nullptr;  // not null for any row, as the others may be
  std::optional<const Weights<T, S>> packed_means;
  if (record) packed_means.emplace(candidates, count, dim, dim, 1, threads);
  const Index chunks = (rows + 23) / 24;
  for_each(chunks, threads, [&](Index chunk) {
    const Index first = rows * chunk / chunks, size = rows * (chunk + 1) / chunks - first;
    const Index p_logits = pitch<T>(count), p_means = pitch<T>(dim), p_parts = pitch<S>(count), p_rows = pitch<S>(dim);
    std::vector<T> logits(size * p_logits), mean(record ? size * p_means : 0);
    std::vector<S> parts(record ? size * p_parts : 0), given(size * p_rows);
    for (Index r = 0; r < size; ++r) convert(&given[r * p_rows], features + (first + r) * dim, dim);
    packed.multiply(size, given.data(), p_rows, logits.data(), p_logits);
    for (Index r = 0; r < size; ++r) {
      T* __restrict__ x = &logits[r * p_logits];
      const Index hit = hits[first + r];
#pragma omp simd
      for (Index k = 0; k < count; ++k) x[k] += biases[k];
      const T label = label_logits ? label_logits[first + r] : x[hit];
      const bool left_out = label_logits && hit >= 0;
      if (left_out) x[hit] = -HUGE_VAL;
      T most = label;
#pragma omp simd reduction(max : most)
      for (Index k = 0; k < count; ++k) most = x[k] > most ? x[k] : most;
      T total = 0;
#pragma omp simd
      for (Index k = 0; k < count; ++k) x[k] = exponential(x[k] - most);
      if (left_out) x[hit] = 0;
#pragma omp simd reduction(+ : total)
      for (Index k = 0; k < count; ++k) total += x[k];
      const T label_part = std::exp(label - most);
      if (label_logits) total += label_part;
      losses[first + r] = std::log(total) + most - label;
      if (!record) continue;
      label_probabilities[first + r] = label_part / total;
      const T scale = 1 / total;
#pragma omp simd
      for (Index k = 0; k < count; ++k) x[k] *= scale;
      convert(&parts[r * p_parts], x, count);
      std::memcpy(probabilities + (first + r) * count, &parts[r * p_parts], count * sizeof(S));
    }
    if (!record) return;
    packed_means->multiply(size, parts.data(), p_parts, mean.data(), p_means);
    for (Index r = 0; r < size; ++r)
      std::memcpy(means + (first + r) * dim, &mean[r * p_means], dim * sizeof(T));
  });
}

}  // namespace
