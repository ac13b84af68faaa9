// What all loops share: vectors, threads, bfloat16, and functions that compilers turn into vector instructions.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <system_error>
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

// ---- What went wrong, for the caller to ask: no exception may leave a thread or the library.

constexpr int kOutOfMemory = 1;  // oneDNN's number for it
std::atomic<int> failure{0};     // of the last call: 0, kOutOfMemory, or another status of oneDNN

template <class Task>
void guarded(const Task& task) {
  try {
    task();
  } catch (const std::exception&) {  // std::bad_alloc or std::length_error: nothing else is thrown
    failure = kOutOfMemory;
  }
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
    guarded([&] {
      for (Index i; (i = all.next.fetch_add(1)) < all.count;) all.task(i);
    });
  };
  if (threads > count) threads = static_cast<int>(count);
  if (threads <= 1) {
    work(&shared);
  } else if (const Parallel start = parallel.load()) {
    start(work, &shared, threads, 0);
  } else {
    std::vector<std::thread> others;
    others.reserve(threads);
    try {
      for (int i = 1; i < threads; ++i) others.emplace_back(work, static_cast<void*>(&shared));
    } catch (const std::system_error&) {  // no more are to be had: those that there are do it all
    }
    work(&shared);
    for (auto& other : others) other.join();
  }
}

// ---- bfloat16: the upper half of a float32, rounded to nearest, ties to even

struct Bf16 {
  std::uint16_t bits;
};

template <>
struct Simd<Bf16> {
  static constexpr Index width = 2 * kVectorBytes / sizeof(Bf16);
};

inline Bf16 to_bf16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const std::uint32_t quiet = (bits >> 16) | 0x40u;  // rounding up could turn NaN into a number
  return {static_cast<std::uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded)};
}

inline float to_float(Bf16 value) {
  const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}
inline float to_float(float value) { return value; }
inline double to_float(double value) { return value; }

template <class S>
inline S as_product(float value) {
  if constexpr (sizeof(S) == 2) return to_bf16(value);
  else return value;
}

// Copies numbers into the type in which they are multiplied, or back.
inline void convert(Bf16* __restrict__ to, const float* __restrict__ from, Index count) {
#pragma omp simd
  for (Index i = 0; i < count; ++i) to[i] = to_bf16(from[i]);
}
inline void convert(float* __restrict__ to, const Bf16* __restrict__ from, Index count) {
#pragma omp simd
  for (Index i = 0; i < count; ++i) to[i] = to_float(from[i]);
}
template <class T>
void convert(T* to, const T* from, Index count) {
  std::memcpy(to, from, count * sizeof(T));
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

// x times the normal distribution function at x, and its derivative; the error function by Abramowitz and Stegun
// (1964), 7.1.26, to 1.5e-7.
inline float normal_distribution(float x, float density_part) {  // density_part: exp(-x^2 / 2)
  const float z = std::fabs(x) * 0.70710678118654752f, t = 1.0f / (1.0f + 0.3275911f * z);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float tail = 0.5f * p * t * density_part;
  return x < 0 ? tail : 1.0f - tail;
}
inline float gelu(float x) { return x * normal_distribution(x, exponential(-0.5f * x * x)); }
inline float d_gelu(float x) {
  const float part = exponential(-0.5f * x * x);
  return normal_distribution(x, part) + x * part * 0.3989422804014327f;
}

// Dropout: a number between 0 and 2^32 that depends on the seed and the place alone, so that no mask is stored. The
// mixing is the finaliser of MurmurHash3.
inline std::uint32_t mixed(std::uint32_t seed, std::uint32_t place) {
  std::uint32_t x = place * 0x9e3779b1u + seed;
  x ^= x >> 16;
  x *= 0x85ebca6bu;
  x ^= x >> 13;
  x *= 0xc2b2ae35u;
  return x ^ (x >> 16);
}

struct Drop {
  std::uint32_t seed, threshold;  // what is mixed from a place falls below the threshold with the share's probability
  float scale;

  Drop(std::uint32_t seed, double share)
      : seed(seed), threshold(static_cast<std::uint32_t>(share * 4294967296.0)), scale(float(1 / (1 - share))) {}

  // 0 or the scale, for the number at a place
  float operator()(Index place) const {
    return mixed(seed, static_cast<std::uint32_t>(place)) < threshold ? 0.0f : scale;
  }
};

template <class T>
inline T clipped(T x, T clip) {  // NaN stays NaN
  x = x < -clip ? -clip : x;
  return x > clip ? clip : x;
}

}  // namespace
