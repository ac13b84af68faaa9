#pragma once

#include <type_traits>

#include "onednn.h"

namespace {

// ---- LSTMP

struct Sizes {
  Index batch, time, input, hidden, proj;
  int threads;
};

// Up to 32 rows each, whose scratch fits a core's own cache, and as many for every thread; no fewer than 8, since each
// chunk reads all weights at every step.
inline Index chunks_of(Index rows, int threads, Index most = 32) {
  const Index rounds = (rows + most * threads - 1) / (most * threads);
  return std::min<Index>(threads * rounds, (rows + 7) / 8);
}

// Products in bfloat16 take so little time that reading the weights would be most of it: then more rows.
template <class S>
Index most_rows() {
  return sizeof(S) == 2 && onednn::library.isa >= 0xfef ? 64 : 32;  // 0xfef: AMX
}

// The gates' sums become the gates, the last cell the new one.
template <class T>
void cell_forward(Index H, const T* __restrict__ bias, T clip, T* __restrict__ g, T* __restrict__ c,
                  T* __restrict__ unprojected) {
#pragma omp simd
  for (Index j = 0; j < H; ++j) {
    const T a = hyperbolic_tangent(g[j] + bias[j]);
    const T i = sigmoid(g[H + j] + bias[H + j]);
    const T f = sigmoid(g[2 * H + j] + bias[2 * H + j]);
    const T o = sigmoid(g[3 * H + j] + bias[3 * H + j]);
    const T cell = clipped(f * c[j] + i * a, clip);
    g[j] = a;
    g[H + j] = i;
    g[2 * H + j] = f;
    g[3 * H + j] = o;
    c[j] = cell;
    unprojected[j] = o * hyperbolic_tangent(cell);
  }
}

// d_c is the gradient of the new cell, and becomes that of the last one.
template <class T>
void cell_backward(Index H, T clip, const T* __restrict__ g, const T* __restrict__ c, const T* __restrict__ last,
                   const T* __restrict__ d_unprojected, T* __restrict__ d, T* __restrict__ d_c) {
#pragma omp simd
  for (Index j = 0; j < H; ++j) {
    const T a = g[j], i = g[H + j], f = g[2 * H + j], o = g[3 * H + j];
    const T tanh_c = hyperbolic_tangent(c[j]), d_o = d_unprojected[j];
    const T total = d_c[j] + d_o * o * (1 - tanh_c * tanh_c);
    const T d_cell = std::fabs(c[j]) < clip ? total : T(0);
    d[j] = d_cell * i * (1 - a * a);
    d[H + j] = d_cell * a * i * (1 - i);
    d[2 * H + j] = d_cell * last[j] * f * (1 - f);
    d[3 * H + j] = d_o * tanh_c * o * (1 - o);
    d_c[j] = d_cell * f;
  }
}

// Into the type of products; what is inside the clip must not be rounded onto it, since its gradient is not cut, and
// what was clipped must not be rounded into it, since its gradient is.
inline void convert_inside(Bf16* to, const float* from, float clip, Index count) {
  for (Index i = 0; i < count; ++i) {
    Bf16 value = to_bf16(from[i]);
    const bool inside = std::fabs(from[i]) < clip, outside = std::fabs(from[i]) >= clip;  // neither: NaN
    const float size = std::fabs(to_float(value));
    if (inside && size >= clip) --value.bits;
    if (outside && size < clip) ++value.bits;
    to[i] = value;
  }
}
template <class T>
void convert_inside(T* to, const T* from, T, Index count) {
  std::memcpy(to, from, count * sizeof(T));
}

// T is the type of all numbers, S that in which they are multiplied and kept for the backward pass, or the same.
// Kept, or all null: inputs_hiddens [time + 1, batch, input + proj], gates [time, batch, 4 hidden], cells and
// unprojected [time, batch, hidden].
template <class T, class S>
void lstmp_forward(const Sizes& s, const T* inputs, const T* hidden, const T* cell, const T* weight, const T* bias,
                   const T* projection, T cell_clip, T proj_clip, T* outputs, T* last_cell, S* inputs_hiddens, S* gates,
                   T* cells, S* unprojected) {
  const Index H = s.hidden, P = s.proj, I = s.input, depth = I + P;
  const Weights<T, S> packed_weight(weight, depth, 4 * H, 4 * H, 1, s.threads);
  const Weights<T, S> packed_projection(projection, H, P, P, 1, s.threads);
  const Index chunks = chunks_of(s.batch, s.threads, most_rows<S>());
  for_each(chunks, s.threads, [&](Index chunk) {
    const Index first = s.batch * chunk / chunks, rows = s.batch * (chunk + 1) / chunks - first;
    const Index p_xh = pitch<S>(depth), p_pre = pitch<T>(4 * H), p_out = pitch<S>(H), p_hid = pitch<T>(P);
    std::vector<S> xh(rows * p_xh), out(rows * p_out);
    std::vector<T> pre(rows * p_pre), hid(rows * p_hid), raw(H);
    std::memcpy(last_cell + first * H, cell + first * H, rows * H * sizeof(T));
    for (Index r = 0; r < rows; ++r) convert_inside(&xh[r * p_xh + I], hidden + (first + r) * P, proj_clip, P);
    for (Index t = 0; t < s.time; ++t) {
      for (Index r = 0; r < rows; ++r) {
        convert(&xh[r * p_xh], inputs + ((first + r) * s.time + t) * I, I);
        if (inputs_hiddens)
          std::memcpy(inputs_hiddens + (t * s.batch + first + r) * depth, &xh[r * p_xh], depth * sizeof(S));
      }
      packed_weight.multiply(rows, xh.data(), p_xh, pre.data(), p_pre);
      for (Index r = 0; r < rows; ++r) {
        const Index row = t * s.batch + first + r;
        T *g = &pre[r * p_pre], *c = last_cell + (first + r) * H;
        if constexpr (std::is_same_v<T, S>) {
          cell_forward(H, bias, cell_clip, g, c, &out[r * p_out]);
        } else {
          cell_forward(H, bias, cell_clip, g, c, raw.data());
          convert(&out[r * p_out], raw.data(), H);
        }
        if (gates) {
          convert(gates + row * 4 * H, g, 4 * H);
          std::memcpy(cells + row * H, c, H * sizeof(T));
          std::memcpy(unprojected + row * H, &out[r * p_out], H * sizeof(S));
        }
      }
      packed_projection.multiply(rows, out.data(), p_out, hid.data(), p_hid);
      for (Index r = 0; r < rows; ++r) {
        T* h = outputs + ((first + r) * s.time + t) * P;
        for (Index j = 0; j < P; ++j) h[j] = clipped(hid[r * p_hid + j], proj_clip);
        convert_inside(&xh[r * p_xh + I], h, proj_clip, P);
      }
    }
    if (inputs_hiddens)
      for (Index r = 0; r < rows; ++r)
        std::memcpy(inputs_hiddens + (s.time * s.batch + first + r) * depth, &xh[r * p_xh], depth * sizeof(S));
  });
}

// A row that was kept, as numbers of type T.
template <class T>
const T* as_kept(const T* row, T*, Index) {
  return row;
}
inline const float* as_kept(const Bf16* row, float* room, Index count) {
  convert(room, row, count);
  return room;
}

// d_cell holds the gradient of the last cell, and is left with that of the first. Weight gradients are products of
// inputs_hiddens, unprojected, d_gates [time, batch, 4 hidden] and d_projected [time, batch, proj], made elsewhere.
template <class T, class S>
void lstmp_backward(const Sizes& s, const T* cell, const T* weight, const T* projection, T cell_clip, T proj_clip,
                    const S* inputs_hiddens, const S* gates, const T* cells, const T* d_outputs, T* d_cell, T* d_hidden,
                    T* d_inputs, S* d_gates, S* d_projected, T* d_bias) {
  const Index H = s.hidden, P = s.proj, I = s.input, depth = I + P;
  const Weights<T, S> packed_weight(weight, 4 * H, depth, 1, 4 * H, s.threads);
  const Weights<T, S> packed_projection(projection, P, H, 1, P, s.threads);
  const Index chunks = chunks_of(s.batch, s.threads, most_rows<S>());
  std::vector<T> sums(chunks * 4 * H);
  for_each(chunks, s.threads, [&](Index chunk) {
    const Index first = s.batch * chunk / chunks, rows = s.batch * (chunk + 1) / chunks - first;
    const Index p_xh = pitch<T>(depth), p_pre = pitch<S>(4 * H), p_out = pitch<T>(H), p_hid = pitch<S>(P);
    std::vector<T> d_xh(rows * p_xh), d_out(rows * p_out), room(4 * H), d(std::max(4 * H, P));
    std::vector<S> d_pre(rows * p_pre), d_hid(rows * p_hid);
    T* __restrict__ sum = &sums[chunk * 4 * H];
    for (Index t = s.time - 1; t >= 0; --t) {
      for (Index r = 0; r < rows; ++r) {
        const T* from = d_outputs + ((first + r) * s.time + t) * P;
        const S* h = inputs_hiddens + ((t + 1) * s.batch + first + r) * depth + I;
        for (Index j = 0; j < P; ++j)
          d[j] = std::fabs(to_float(h[j])) < proj_clip ? from[j] + d_xh[r * p_xh + I + j] : T(0);
        convert(&d_hid[r * p_hid], d.data(), P);
        std::memcpy(d_projected + (t * s.batch + first + r) * P, &d_hid[r * p_hid], P * sizeof(S));
      }
      packed_projection.multiply(rows, d_hid.data(), p_hid, d_out.data(), p_out);
      for (Index r = 0; r < rows; ++r) {
        const Index row = t * s.batch + first + r;
        const T* last = t > 0 ? cells + (row - s.batch) * H : cell + (first + r) * H;
        cell_backward(H, cell_clip, as_kept(gates + row * 4 * H, room.data(), 4 * H), cells + row * H, last,
                      &d_out[r * p_out], d.data(), d_cell + (first + r) * H);
        for (Index j = 0; j < 4 * H; ++j) sum[j] += d[j];
        convert(&d_pre[r * p_pre], d.data(), 4 * H);
        std::memcpy(d_gates + row * 4 * H, &d_pre[r * p_pre], 4 * H * sizeof(S));
      }
      packed_weight.multiply(rows, d_pre.data(), p_pre, d_xh.data(), p_xh);
      for (Index r = 0; r < rows; ++r)
        std::memcpy(d_inputs + ((first + r) * s.time + t) * I, &d_xh[r * p_xh], I * sizeof(T));
    }
    for (Index r = 0; r < rows; ++r) std::memcpy(d_hidden + (first + r) * P, &d_xh[r * p_xh + I], P * sizeof(T));
  });
  for (Index j = 0; j < 4 * H; ++j) d_bias[j] = 0;
  for (Index chunk = 0; chunk < chunks; ++chunk)
    for (Index j = 0; j < 4 * H; ++j) d_bias[j] += sums[chunk * 4 * H + j];
}

}  // namespace
