// Products of matrices in float32 and float64, by loops of our own: small enough to run inside a thread's walk through time.
#pragma once

#include "common.h"

namespace {

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

}  // namespace
