// The inner loops of LSTMP, GRU and the sampled softmax, in float32 and float64; compiled and called by native.py.
//
// A batch is cut into chunks of rows, and each chunk goes through all time steps on one thread without waiting for the
// others. Weights are packed once per call, into panels as wide as two vector registers.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace {

using Index = std::int64_t;

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kRows = 12;  // kRows x 2 accumulators must fit the registers
#elif defined(__AVX__)
constexpr int kVectorBytes = 32, kRows = 6;
#else
constexpr int kVectorBytes = 16, kRows = 6;
#endif

template <class T>
struct Simd {
  typedef T Aligned __attribute__((vector_size(kVectorBytes)));
  typedef T Vector __attribute__((vector_size(kVectorBytes), aligned(sizeof(T)), may_alias));  // at any address
  static constexpr Index width = 2 * kVectorBytes / sizeof(T);  // of a panel
};

template <class T>
constexpr Index padded(Index count) {
  return (count + Simd<T>::width - 1) / Simd<T>::width * Simd<T>::width;
}

// Distance between rows of a scratch matrix: a panel more than the rows take, since rows a power of two apart would
// fall into the same places of the cache.
template <class T>
constexpr Index pitch(Index count) {
  return padded<T>(count) + Simd<T>::width;
}

// ---- Threads: those of the OpenMP library that Paddle's own products use, so that no others lie in wait beside them.

using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);
std::atomic<Parallel> parallel{nullptr};

template <class Task>
void for_each(Index count, int threads, const Task& task) {
  struct Shared {
    const Task& task;
    Index count;
    std::atomic<Index> next;
  } shared{task, count, {0}};
  const auto work = [](void* data) {
    auto& all = *static_cast<Shared*>(data);
    for (Index i; (i = all.next.fetch_add(1)) < all.count;) all.task(i);
  };
  if (threads > count) threads = static_cast<int>(count);
  if (threads <= 1) {
    work(&shared);
  } else if (const Parallel start = parallel.load()) {
    start(work, &shared, threads, 0);
  } else {
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(work, static_cast<void*>(&shared));
    work(&shared);
    for (auto& other : others) other.join();
  }
}

// ---- Products

// Element (k, n) of a [depth, columns] matrix lies at source[k * row_step + n * column_step].
template <class T>
std::vector<T> pack(const T* source, Index depth, Index columns, Index row_step, Index column_step, int threads) {
  constexpr Index width = Simd<T>::width;
  std::vector<T> packed(depth * padded<T>(columns));
  for_each(padded<T>(columns) / width, threads, [&](Index panel) {
    const Index first = panel * width, used = std::min(width, columns - first);
    T* to = packed.data() + first * depth;
    for (Index k = 0; k < depth; ++k)
      for (Index n = 0; n < used; ++n) to[k * width + n] = source[k * row_step + (first + n) * column_step];
  });
  return packed;
}

template <class T, int rows>
void tile(Index depth, const T* a, Index a_pitch, const T* panel, T* c, Index c_pitch, bool add) {
  using Vector = typename Simd<T>::Vector;
  using Aligned = typename Simd<T>::Aligned;
  constexpr Index half = Simd<T>::width / 2;
  Aligned sums[rows][2] = {};
  if (add) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      sums[r][0] = *reinterpret_cast<const Vector*>(c + r * c_pitch);
      sums[r][1] = *reinterpret_cast<const Vector*>(c + r * c_pitch + half);
    }
  }
  for (Index k = 0; k < depth; ++k) {
    const Aligned left = *reinterpret_cast<const Vector*>(panel + k * 2 * half);
    const Aligned right = *reinterpret_cast<const Vector*>(panel + k * 2 * half + half);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const T value = a[r * a_pitch + k];
      sums[r][0] += value * left;
      sums[r][1] += value * right;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
    *reinterpret_cast<Vector*>(c + r * c_pitch) = sums[r][0];
    *reinterpret_cast<Vector*>(c + r * c_pitch + half) = sums[r][1];
  }
}

template <class T, int rows = kRows>
void tile_of(Index count, Index depth, const T* a, Index a_pitch, const T* panel, T* c, Index c_pitch, bool add) {
  if constexpr (rows > 0) {
    if (count == rows) tile<T, rows>(depth, a, a_pitch, panel, c, c_pitch, add);
    else tile_of<T, rows - 1>(count, depth, a, a_pitch, panel, c, c_pitch, add);
  }
}

// c [rows, padded columns] = a [rows, depth] times the packed matrix.
template <class T>
void multiply(Index rows, Index depth, Index columns, const T* a, Index a_pitch, const std::vector<T>& packed, T* c,
              Index c_pitch) {
  constexpr Index most = 131072 / (Simd<T>::width * sizeof(T));  // 128 KiB of a panel stay in a core's own cache
  const Index blocks = (rows + kRows - 1) / kRows;
  for (Index n = 0; n < columns; n += Simd<T>::width)
    for (Index k = 0; k < depth; k += most)
      for (Index block = 0; block < blocks; ++block) {
        const Index from = rows * block / blocks, to = rows * (block + 1) / blocks;
        tile_of<T>(to - from, std::min(most, depth - k), a + from * a_pitch + k, a_pitch,
                   packed.data() + n * depth + k * Simd<T>::width, c + from * c_pitch + n, c_pitch, k > 0);
      }
}

// ---- Functions, written so that compilers turn loops over them into vector instructions

inline double exponential(double x) { return std::exp(x); }

inline float exponential(float x) {  // within 2 units in the last place; coefficients of the Taylor series by Cephes
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float magic = 12582912.0f;  // adding it rounds to a whole number
  const float n = (x * 1.44269504088896341f + magic) - magic;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const std::int32_t bits = (static_cast<std::int32_t>(n) + 127) << 23;
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

template <class T>
inline T sigmoid(T x) {
  return T(1) / (T(1) + exponential(-x));
}

inline double hyperbolic_tangent(double x) { return std::tanh(x); }

inline float hyperbolic_tangent(float x) {
  const float square = x * x;
  float p = -5.70498872745e-3f;
  p = p * square + 2.06390887954e-2f;
  p = p * square - 5.37397155531e-2f;
  p = p * square + 1.33314422036e-1f;
  p = p * square - 3.33332819422e-1f;
  const float near = p * square * x + x;  // where the other form would cancel
  const float far = 1.0f - 2.0f / (exponential(2.0f * x) + 1.0f);
  return std::fabs(x) < 0.625f ? near : far;
}

template <class T>
inline T clipped(T x, T clip) {  // NaN stays NaN
  x = x < -clip ? -clip : x;
  return x > clip ? clip : x;
}

// ---- LSTMP

struct Sizes {
  Index batch, time, input, hidden, proj;
  int threads;
};

// Up to 32 rows each, whose scratch fits a core's own cache, and as many for every thread; no fewer than 8, since each
// chunk reads all weights at every step.
inline Index chunks_of(Index rows, int threads) {
  const Index rounds = (rows + 32 * threads - 1) / (32 * threads);
  return std::min<Index>(threads * rounds, (rows + 7) / 8);
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

// Kept for the backward pass, or all null: inputs_hiddens [time + 1, batch, input + proj], gates [time, batch,
// 4 hidden], cells and unprojected [time, batch, hidden].
template <class T>
void lstmp_forward(const Sizes& s, const T* inputs, const T* hidden, const T* cell, const T* weight, const T* bias,
                   const T* projection, T cell_clip, T proj_clip, T* outputs, T* last_cell, T* inputs_hiddens, T* gates,
                   T* cells, T* unprojected) {
  const Index H = s.hidden, P = s.proj, I = s.input, depth = I + P;
  const auto packed_weight = pack(weight, depth, 4 * H, 4 * H, Index(1), s.threads);
  const auto packed_projection = pack(projection, H, P, P, Index(1), s.threads);
  const Index chunks = chunks_of(s.batch, s.threads);
  for_each(chunks, s.threads, [&](Index chunk) {
    const Index first = s.batch * chunk / chunks, rows = s.batch * (chunk + 1) / chunks - first;
    const Index p_xh = pitch<T>(depth), p_pre = pitch<T>(4 * H), p_out = pitch<T>(H), p_hid = pitch<T>(P);
    std::vector<T> xh(rows * p_xh), pre(rows * p_pre), out(rows * p_out), hid(rows * p_hid);
    std::memcpy(last_cell + first * H, cell + first * H, rows * H * sizeof(T));
    for (Index r = 0; r < rows; ++r) std::memcpy(&xh[r * p_xh + I], hidden + (first + r) * P, P * sizeof(T));
    for (Index t = 0; t < s.time; ++t) {
      for (Index r = 0; r < rows; ++r) {
        std::memcpy(&xh[r * p_xh], inputs + ((first + r) * s.time + t) * I, I * sizeof(T));
        if (inputs_hiddens)
          std::memcpy(inputs_hiddens + (t * s.batch + first + r) * depth, &xh[r * p_xh], depth * sizeof(T));
      }
      multiply(rows, depth, 4 * H, xh.data(), p_xh, packed_weight, pre.data(), p_pre);
      for (Index r = 0; r < rows; ++r) {
        const Index row = t * s.batch + first + r;
        T *g = &pre[r * p_pre], *c = last_cell + (first + r) * H, *o = &out[r * p_out];
        cell_forward(H, bias, cell_clip, g, c, o);
        if (gates) {
          std::memcpy(gates + row * 4 * H, g, 4 * H * sizeof(T));
          std::memcpy(cells + row * H, c, H * sizeof(T));
          std::memcpy(unprojected + row * H, o, H * sizeof(T));
        }
      }
      multiply(rows, H, P, out.data(), p_out, packed_projection, hid.data(), p_hid);
      for (Index r = 0; r < rows; ++r) {
        T* h = &xh[r * p_xh + I];
        for (Index j = 0; j < P; ++j) h[j] = clipped(hid[r * p_hid + j], proj_clip);
        std::memcpy(outputs + ((first + r) * s.time + t) * P, h, P * sizeof(T));
      }
    }
    if (inputs_hiddens)
      for (Index r = 0; r < rows; ++r)
        std::memcpy(inputs_hiddens + (s.time * s.batch + first + r) * depth, &xh[r * p_xh], depth * sizeof(T));
  });
}

// d_cell holds the gradient of the last cell, and is left with that of the first. Weight gradients are products of
// inputs_hiddens, unprojected, d_gates [time, batch, 4 hidden] and d_projected [time, batch, proj], made elsewhere.
template <class T>
void lstmp_backward(const Sizes& s, const T* cell, const T* weight, const T* projection, T cell_clip, T proj_clip,
                    const T* inputs_hiddens, const T* gates, const T* cells, const T* d_outputs, T* d_cell, T* d_hidden,
                    T* d_inputs, T* d_gates, T* d_projected, T* d_bias) {
  const Index H = s.hidden, P = s.proj, I = s.input, depth = I + P;
  const auto packed_weight = pack(weight, 4 * H, depth, Index(1), 4 * H, s.threads);
  const auto packed_projection = pack(projection, P, H, Index(1), P, s.threads);
  const Index chunks = chunks_of(s.batch, s.threads);
  std::vector<T> sums(chunks * 4 * H);
  for_each(chunks, s.threads, [&](Index chunk) {
    const Index first = s.batch * chunk / chunks, rows = s.batch * (chunk + 1) / chunks - first;
    const Index p_xh = pitch<T>(depth), p_pre = pitch<T>(4 * H), p_out = pitch<T>(H), p_hid = pitch<T>(P);
    std::vector<T> d_xh(rows * p_xh), d_pre(rows * p_pre), d_out(rows * p_out), d_hid(rows * p_hid);
    T* __restrict__ sum = &sums[chunk * 4 * H];
    for (Index t = s.time - 1; t >= 0; --t) {
      for (Index r = 0; r < rows; ++r) {
        const T* from = d_outputs + ((first + r) * s.time + t) * P;
        const T* h = inputs_hiddens + ((t + 1) * s.batch + first + r) * depth + I;
        T* d = &d_hid[r * p_hid];
        for (Index j = 0; j < P; ++j) d[j] = std::fabs(h[j]) < proj_clip ? from[j] + d_xh[r * p_xh + I + j] : T(0);
        std::memcpy(d_projected + (t * s.batch + first + r) * P, d, P * sizeof(T));
      }
      multiply(rows, P, H, d_hid.data(), p_hid, packed_projection, d_out.data(), p_out);
      for (Index r = 0; r < rows; ++r) {
        const Index row = t * s.batch + first + r;
        const T* last = t > 0 ? cells + (row - s.batch) * H : cell + (first + r) * H;
        T* d = &d_pre[r * p_pre];
        cell_backward(H, cell_clip, gates + row * 4 * H, cells + row * H, last, &d_out[r * p_out], d,
                      d_cell + (first + r) * H);
        for (Index j = 0; j < 4 * H; ++j) sum[j] += d[j];
        std::memcpy(d_gates + row * 4 * H, d, 4 * H * sizeof(T));
      }
      multiply(rows, 4 * H, depth, d_pre.data(), p_pre, packed_weight, d_xh.data(), p_xh);
      for (Index r = 0; r < rows; ++r)
        std::memcpy(d_inputs + ((first + r) * s.time + t) * I, &d_xh[r * p_xh], I * sizeof(T));
    }
    for (Index r = 0; r < rows; ++r) std::memcpy(d_hidden + (first + r) * P, &d_xh[r * p_xh + I], P * sizeof(T));
  });
  for (Index j = 0; j < 4 * H; ++j) d_bias[j] = 0;
  for (Index chunk = 0; chunk < chunks; ++chunk)
    for (Index j = 0; j < 4 * H; ++j) d_bias[j] += sums[chunk * 4 * H + j];
}

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

// gates [tokens, 2 hidden] hold the inputs of update and reset and become the gates; candidates [tokens, hidden]
// likewise. before and reset_hiddens [tokens, hidden] are kept for the backward pass, or null.
template <class T>
void gru_forward(const Packed& s, const T* gate_weight, const T* candidate_weight, T* gates, T* candidates, T* outputs,
                 T* before, T* reset_hiddens) {
  const Index H = s.hidden;
  const auto packed_gate = pack(gate_weight, H, 2 * H, 2 * H, Index(1), s.threads);
  const auto packed_candidate = pack(candidate_weight, H, H, H, Index(1), s.threads);
  for_sentences(s, [&](Index first, Index most, const std::vector<Index>& begins) {
    const Index p_hid = pitch<T>(H), p_gate = pitch<T>(2 * H);
    std::vector<T> hid(most * p_hid), reset(most * p_hid), sum(most * p_hid), gate(most * p_gate);
    for (Index t = 0; t < s.steps; ++t) {
      const Index rows = std::min(most, s.counts[t] - first), begin = begins[t] + first;
      if (rows <= 0) break;
      multiply(rows, H, 2 * H, hid.data(), p_hid, packed_gate, gate.data(), p_gate);
      for (Index r = 0; r < rows; ++r) {
        T* __restrict__ g = gates + (begin + r) * 2 * H;
        const T *__restrict__ from = &gate[r * p_gate], *__restrict__ h = &hid[r * p_hid];
        T* __restrict__ rh = &reset[r * p_hid];
#pragma omp simd
        for (Index j = 0; j < 2 * H; ++j) g[j] = sigmoid(g[j] + from[j]);
#pragma omp simd
        for (Index j = 0; j < H; ++j) rh[j] = g[H + j] * h[j];
        if (before) {
          std::memcpy(before + (begin + r) * H, h, H * sizeof(T));
          std::memcpy(reset_hiddens + (begin + r) * H, rh, H * sizeof(T));
        }
      }
      multiply(rows, H, H, reset.data(), p_hid, packed_candidate, sum.data(), p_hid);
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
template <class T>
void gru_backward(const Packed& s, const T* gate_weight, const T* candidate_weight, const T* gates, const T* candidates,
                  const T* before, const T* d_outputs, T* d_gates, T* d_candidates) {
  const Index H = s.hidden;
  const auto packed_gate = pack(gate_weight, 2 * H, H, Index(1), 2 * H, s.threads);
  const auto packed_candidate = pack(candidate_weight, H, H, Index(1), H, s.threads);
  for_sentences(s, [&](Index first, Index most, const std::vector<Index>& begins) {
    const Index p_hid = pitch<T>(H);
    std::vector<T> d_hid(most * p_hid), d_reset(most * p_hid), through(most * p_hid);
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
      multiply(rows, H, H, d_candidates + begin * H, H, packed_candidate, d_reset.data(), p_hid);
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
      multiply(rows, 2 * H, H, d_gates + begin * 2 * H, 2 * H, packed_gate, through.data(), p_hid);
      for (Index r = 0; r < rows; ++r)
        for (Index j = 0; j < H; ++j) d_hid[r * p_hid + j] += through[r * p_hid + j];
    }
  });
}

// ---- Softmax over one label a row and the candidates that all rows share

// Candidate hits[row], where it is not negative, is the row's own label, and left out. Gives the loss of each row, the
// probabilities of its label and of the candidates [rows, count], and the mean candidate [rows, dim] under these.
template <class T>
void softmax_forward(Index rows, Index count, Index dim, int threads, const T* features, const T* candidates,
                     const T* biases, const T* label_logits, const Index* hits, T* losses, T* label_probabilities,
                     T* probabilities, T* means) {
  const auto packed = pack(candidates, dim, count, Index(1), dim, threads);
  const auto packed_means = pack(candidates, count, dim, dim, Index(1), threads);
  const Index chunks = (rows + 23) / 24;
  for_each(chunks, threads, [&](Index chunk) {
    const Index first = rows * chunk / chunks, size = rows * (chunk + 1) / chunks - first;
    const Index p_logits = pitch<T>(count), p_means = pitch<T>(dim);
    std::vector<T> logits(size * p_logits), mean(size * p_means);
    multiply(size, dim, count, features + first * dim, dim, packed, logits.data(), p_logits);
    for (Index r = 0; r < size; ++r) {
      T* __restrict__ x = &logits[r * p_logits];
      const T label = label_logits[first + r];
      const Index hit = hits[first + r];
      for (Index k = 0; k < count; ++k) x[k] += biases[k];
      if (hit >= 0) x[hit] = -HUGE_VAL;
      T most = label;
#pragma omp simd reduction(max : most)
      for (Index k = 0; k < count; ++k) most = x[k] > most ? x[k] : most;
      T total = 0;
      for (Index k = 0; k < count; ++k) x[k] = exponential(x[k] - most);
      if (hit >= 0) x[hit] = 0;
#pragma omp simd reduction(+ : total)
      for (Index k = 0; k < count; ++k) total += x[k];
      const T label_part = std::exp(label - most);
      total += label_part;
      losses[first + r] = std::log(total) + most - label;
      label_probabilities[first + r] = label_part / total;
      const T scale = 1 / total;
      for (Index k = 0; k < count; ++k) x[k] *= scale;
      std::memcpy(probabilities + (first + r) * count, x, count * sizeof(T));
    }
    multiply(size, count, dim, logits.data(), p_logits, packed_means, mean.data(), p_means);
    for (Index r = 0; r < size; ++r)
      std::memcpy(means + (first + r) * dim, &mean[r * p_means], dim * sizeof(T));
  });
}

}  // namespace

extern "C" {

void elmo_use_threads_of(void* gomp_parallel) { parallel = reinterpret_cast<Parallel>(gomp_parallel); }

#define ELMO_FUNCTIONS(T, suffix)                                                                                      \
  void elmo_lstmp_forward_##suffix(Index batch, Index time, Index input, Index hidden_size, Index proj, int threads,   \
                                   T cell_clip, T proj_clip, const T* inputs, const T* hidden, const T* cell,          \
                                   const T* weight, const T* bias, const T* projection, T* outputs, T* last_cell,      \
                                   T* inputs_hiddens, T* gates, T* cells, T* unprojected) {                            \
    lstmp_forward<T>({batch, time, input, hidden_size, proj, threads}, inputs, hidden, cell, weight, bias, projection, \
                     cell_clip, proj_clip, outputs, last_cell, inputs_hiddens, gates, cells, unprojected);             \
  }                                                                                                                    \
  void elmo_lstmp_backward_##suffix(Index batch, Index time, Index input, Index hidden_size, Index proj, int threads,  \
                                    T cell_clip, T proj_clip, const T* cell, const T* weight, const T* projection,     \
                                    const T* inputs_hiddens, const T* gates, const T* cells, const T* d_outputs,       \
                                    T* d_cell, T* d_hidden, T* d_inputs, T* d_gates, T* d_projected, T* d_bias) {      \
    lstmp_backward<T>({batch, time, input, hidden_size, proj, threads}, cell, weight, projection, cell_clip,           \
                      proj_clip, inputs_hiddens, gates, cells, d_outputs, d_cell, d_hidden, d_inputs, d_gates,         \
                      d_projected, d_bias);                                                                            \
  }                                                                                                                    \
  void elmo_gru_forward_##suffix(Index steps, Index hidden_size, int threads, const Index* counts,                     \
                                 const T* gate_weight, const T* candidate_weight, T* gates, T* candidates, T* outputs, \
                                 T* before, T* reset_hiddens) {                                                        \
    gru_forward<T>({steps, hidden_size, threads, counts}, gate_weight, candidate_weight, gates, candidates, outputs,   \
                   before, reset_hiddens);                                                                             \
  }                                                                                                                    \
  void elmo_gru_backward_##suffix(Index steps, Index hidden_size, int threads, const Index* counts,                    \
                                  const T* gate_weight, const T* candidate_weight, const T* gates,                     \
                                  const T* candidates, const T* before, const T* d_outputs, T* d_gates,                \
                                  T* d_candidates) {                                                                   \
    gru_backward<T>({steps, hidden_size, threads, counts}, gate_weight, candidate_weight, gates, candidates, before,   \
                    d_outputs, d_gates, d_candidates);                                                                 \
  }                                                                                                                    \
  void elmo_softmax_forward_##suffix(Index rows, Index count, Index dim, int threads, const T* features,               \
                                     const T* candidates, const T* biases, const T* label_logits, const Index* hits,   \
                                     T* losses, T* label_probabilities, T* probabilities, T* means) {                  \
    softmax_forward<T>(rows, count, dim, threads, features, candidates, biases, label_logits, hits, losses,            \
                       label_probabilities, probabilities, means);                                                     \
  }

ELMO_FUNCTIONS(float, float32)
ELMO_FUNCTIONS(double, float64)
}
