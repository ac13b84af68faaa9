// The best sequence of tags of each sentence, by a conditional random field.
#pragma once

#include "gru.h"

namespace {

// The first of the largest of a + b; a number that is none (NaN) counts as the largest, as in NumPy.
template <class T>
Index largest_sum(const T* a, const T* b, Index count) {
  Index best = 0;
  T most = a[0] + b[0];
  for (Index i = 1; i < count && most == most; ++i) {
    const T sum = a[i] + b[i];
    if (sum > most || sum != sum) {
      most = sum;
      best = i;
    }
  }
  return best;
}

// For each tag the largest sum of a score before and the way from there; ways [L, padded L]. Tags that fit into the
// registers are done together.
template <class T>
void best_ways(const T* before, const T* ways, Index L, T* best) {
  using Vector = typename Simd<T>::Vector;
  constexpr Index lanes = sizeof(Vector) / sizeof(T), together = 4;
  const Index P = padded<T>(L);
  for (Index begin = 0; begin < P; begin += together * lanes) {
    const Index vectors = std::min(together, (P - begin) / lanes);
    Vector most[together];
    const auto at = [&](Index from, Index v) {
      return before[from] + *reinterpret_cast<const Vector*>(ways + from * P + begin + v * lanes);
    };
    for (Index v = 0; v < vectors; ++v) most[v] = at(0, v);
    const auto go = [&](auto count) {
      for (Index from = 1; from < L; ++from)
        for (Index v = 0; v < count; ++v) {
          const Vector sum = at(from, v);
          most[v] = ((sum > most[v]) | (sum != sum)) ? sum : most[v];
        }
    };
    if (vectors == together) go(std::integral_constant<Index, together>());
    else go(std::integral_constant<Index, 2>());
    std::memcpy(best + begin, most, std::min(vectors * lanes, L - begin) * sizeof(T));
  }
}

// Packed as for a GRU; s.hidden is the number of tags. transitions [tags + 2, tags]: start, stop, then from each tag.
// Sums are made and compared in NumPy's order (crf.py), so that the tags are the same where scores tie.
template <class T>
void viterbi(const Packed& s, const T* emissions, const T* transitions, Index* tags) {
  const Index L = s.hidden;
  const T *start = transitions, *stop = transitions + L, *pairs = transitions + 2 * L;
  std::vector<T> into(L * L), ways(L * padded<T>(L));  // to, from; and from, to
  for (Index from = 0; from < L; ++from)
    for (Index to = 0; to < L; ++to) into[to * L + from] = ways[from * padded<T>(L) + to] = pairs[from * L + to];
  for_sentences(s, [&](Index first, Index most, const std::vector<Index>& begins) {
    std::vector<T> scores(s.steps * L);  // of the best way that ends with this token and tag
    for (Index sentence = first; sentence < first + most; ++sentence) {
      Index length = 0;
      for (; length < s.steps && s.counts[length] > sentence; ++length) {
        const T* __restrict__ emission = emissions + (begins[length] + sentence) * L;
        T* __restrict__ score = &scores[length * L];
        if (length == 0) {
          for (Index to = 0; to < L; ++to) score[to] = emission[to] + start[to];
          continue;
        }
        best_ways(score - L, ways.data(), L, score);
        for (Index to = 0; to < L; ++to) score[to] += emission[to];
      }
      const T* step = &scores[(length - 1) * L];
      Index tag = largest_sum(step, stop, L);
      tags[begins[length - 1] + sentence] = tag;
      for (Index t = length - 2; t >= 0; --t) {
        step -= L;
        tag = largest_sum(step, &into[tag * L], L);
        tags[begins[t] + sentence] = tag;
      }
    }
  });
}

}  // namespace
