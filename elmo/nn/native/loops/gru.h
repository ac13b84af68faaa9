#pragma once

#include "lstmp.h"

namespace {

// ---- GRU by the formula of Paddle 1.x, over packed sentences: those that have a token at a step are the first counts[t]

struct Packed {
  Index steps, hidden;
  int threads;
  const Index* counts;  // never growing
};

// Runs task(first, most, begins) for chunks of sentences: begins[t] is where step t lies in the packed rows.
template <class Task>
void for_sentences(const Packed& s, const Task& task) {
  std::vector<Index> begins(s.steps + 1);
  for (Index t = 0; t < s.steps; ++t) begins[t + 1] = begins[t] + s.counts[t];
  const Index batch = s.counts[0], chunks = chunks_of(batch, s.threads);
  for_each(chunks, s.threads, [&](Index chunk) {
    const Index first = batch * chunk / chunks;
    task(first, batch * (chunk + 1) / chunks - first, begins);
  });
}

// T is the type of all numbers, S that in which they are multiplied.
// gates [tokens, 2 hidden] hold the inputs of update and reset and become the gates; candidates [tokens, hidden]
// likewise. before and reset_hiddens [tokens, hidden] are kept for the backward pass, or null.
template <class T, class S>
void gru_forward(const Packed& s, const T* gate_weight, const T* candidate_weight, T* gates, T* candidates, T* outputs,
                 T* before, T* reset_hiddens) {
  const Index H = s.hidden;
  const Weights<T, S> packed_gate(gate_weight, H, 2 * H, 2 * H, 1, s.threads);
  const Weights<T, S> packed_candidate(candidate_weight, H, H, H, 1, s.threads);
  for_sentences(s, [&](Index first, Index most, const std::vector<Index>& begins) {
    const Index p_hid = pitch<T>(H), p_gate = pitch<T>(2 * H), p_s = pitch<S>(H);
    std::vector<T> hid(most * p_hid), sum(most * p_hid), gate(most * p_gate), reset(H);
    std::vector<S> factors(most * p_s);
    for (Index t = 0; t < s.steps; ++t) {
      const Index rows = std::min(most, s.counts[t] - first), begin = begins[t] + first;
      if (rows <= 0) break;
      for (Index r = 0; r < rows; ++r) convert(&factors[r * p_s], &hid[r * p_hid], H);
      packed_gate.multiply(rows, factors.data(), p_s, gate.data(), p_gate);
      for (Index r = 0; r < rows; ++r) {
        T* __restrict__ g = gates + (begin + r) * 2 * H;
        const T *__restrict__ from = &gate[r * p_gate], *__restrict__ h = &hid[r * p_hid];
        T* __restrict__ rh = reset.data();
#pragma omp simd
        for (Index j = 0; j < 2 * H; ++j) g[j] = sigmoid(g[j] + from[j]);
#pragma omp simd
        for (Index j = 0; j < H; ++j) rh[j] = g[H + j] * h[j];
        convert(&factors[r * p_s], rh, H);
        if (before) {
          std::memcpy(before + (begin + r) * H, h, H * sizeof(T));
          std::memcpy(reset_hiddens + (begin + r) * H, rh, H * sizeof(T));
        }
      }
      packed_candidate.multiply(rows, factors.data(), p_s, sum.data(), p_hid);
      for (Index r = 0; r < rows; ++r) {
        T *__restrict__ c = candidates + (begin + r) * H, *__restrict__ h = &hid[r * p_hid];
        const T *__restrict__ from = &sum[r * p_hid], *__restrict__ u = gates + (begin + r) * 2 * H;
#pragma omp simd
        for (Index j = 0; j < H; ++j) {
          c[j] = hyperbolic_tangent(c[j] + from[j]);
          h[j] += u[j] * (c[j] - h[j]);
        }
        std::memcpy(outputs + (begin + r) * H, h, H * sizeof(T));
      }
    }
  });
}

// Weight gradients are products of before, reset_hiddens, d_gates [tokens, 2 hidden] and d_candidates [tokens, hidden],
// made elsewhere.
template <class T, class S>
void gru_backward(const Packed& s, const T* gate_weight, const T* candidate_weight, const T* gates, const T* candidates,
                  const T* before, const T* d_outputs, T* d_gates, T* d_candidates) {
  const Index H = s.hidden;
  const Weights<T, S> packed_gate(gate_weight, 2 * H, H, 1, 2 * H, s.threads);
  const Weights<T, S> packed_candidate(candidate_weight, H, H, 1, H, s.threads);
  for_sentences(s, [&](Index first, Index most, const std::vector<Index>& begins) {
    const Index p_hid = pitch<T>(H), p_s = pitch<S>(2 * H);
    std::vector<T> d_hid(most * p_hid), d_reset(most * p_hid), through(most * p_hid);
    std::vector<S> factors(most * p_s);
    for (Index t = s.steps - 1; t >= 0; --t) {
      const Index rows = std::min(most, s.counts[t] - first), begin = begins[t] + first;
      if (rows <= 0) continue;
      for (Index r = 0; r < rows; ++r) {
        const T *__restrict__ g = gates + (begin + r) * 2 * H, *__restrict__ c = candidates + (begin + r) * H;
        const T *__restrict__ h = before + (begin + r) * H, *__restrict__ from = d_outputs + (begin + r) * H;
        T *__restrict__ d = &d_hid[r * p_hid], *__restrict__ d_c = d_candidates + (begin + r) * H;
        T* __restrict__ d_g = d_gates + (begin + r) * 2 * H;
#pragma omp simd
        for (Index j = 0; j < H; ++j) {
          const T total = d[j] + from[j], u = g[j];
          d_c[j] = total * u * (1 - c[j] * c[j]);
          d_g[j] = total * (c[j] - h[j]) * u * (1 - u);
          d[j] = total * (1 - u);
        }
      }
      for (Index r = 0; r < rows; ++r) convert(&factors[r * p_s], d_candidates + (begin + r) * H, H);
      packed_candidate.multiply(rows, factors.data(), p_s, d_reset.data(), p_hid);
      for (Index r = 0; r < rows; ++r) {
        const T *__restrict__ g = gates + (begin + r) * 2 * H + H, *__restrict__ h = before + (begin + r) * H;
        const T* __restrict__ from = &d_reset[r * p_hid];
        T *__restrict__ d = &d_hid[r * p_hid], *__restrict__ d_g = d_gates + (begin + r) * 2 * H + H;
#pragma omp simd
        for (Index j = 0; j < H; ++j) {
          d_g[j] = from[j] * h[j] * g[j] * (1 - g[j]);
          d[j] += from[j] * g[j];
        }
      }
      for (Index r = 0; r < rows; ++r) convert(&factors[r * p_s], d_gates + (begin + r) * 2 * H, 2 * H);
      packed_gate.multiply(rows, factors.data(), p_s, through.data(), p_hid);
      for (Index r = 0; r < rows; ++r)
        for (Index j = 0; j < H; ++j) d_hid[r * p_hid + j] += through[r * p_hid + j];
    }
  });
}

}  // namespace
