// Products by oneDNN, the library that lies in Paddle's own wheel: float32, or bfloat16 with float32 sums.
//
// Only its C interface is used, on opaque handles, and found by name when the program runs: the wheel has no headers.
// Source of names, enumerators and argument numbers: oneDNN 3.6, dnnl.h and dnnl_types.h. It computes with AMX,
// AVX-512-BF16 or AVX-512, whichever the processor has.
#pragma once

#include <dlfcn.h>

#include <map>
#include <mutex>
#include <tuple>

#include "products.h"

namespace {
namespace onednn {

using Handle = void*;
struct Argument {
  int number;
  Handle memory;
};
constexpr int kCpu = 1, kInOrder = 1, kAnyFormat = 1, kUserScratchpad = 1, kQueryWeights = 131, kQueryScratchpad = 136;
constexpr int kSource = 1, kResult = 17, kWeights = 33, kScratchpad = 80;  // arguments of a primitive

struct Library {
  int (*engine_create)(Handle*, int, std::size_t);
  int (*stream_create)(Handle*, Handle, unsigned);
  int (*stream_destroy)(Handle);
  int (*memory_desc_create_with_strides)(Handle*, int, const Index*, int, const Index*);
  int (*memory_desc_create_with_tag)(Handle*, int, const Index*, int, int);
  int (*memory_desc_clone)(Handle*, Handle);
  int (*memory_desc_destroy)(Handle);
  std::size_t (*memory_desc_get_size)(Handle);
  int (*memory_create)(Handle*, Handle, Handle, void*);
  int (*memory_set_data_handle)(Handle, void*);
  int (*memory_destroy)(Handle);
  int (*primitive_attr_create)(Handle*);
  int (*primitive_attr_set_scratchpad_mode)(Handle, int);
  int (*primitive_attr_destroy)(Handle);
  int (*matmul_primitive_desc_create)(Handle*, Handle, Handle, Handle, Handle, Handle, Handle);
  int (*reorder_primitive_desc_create)(Handle*, Handle, Handle, Handle, Handle, Handle);
  Handle (*primitive_desc_query_md)(Handle, int, int);
  int (*primitive_desc_destroy)(Handle);
  int (*primitive_create)(Handle*, Handle);
  int (*primitive_execute)(Handle, Handle, int, const Argument*);
  int (*primitive_destroy)(Handle);
  int (*get_effective_cpu_isa)();
  Handle engine = nullptr;
  int isa = 0;
};

Library library;

inline bool ok(int status) {
  if (status) failure = status;
  return !status;
}

// Returns the instruction set that oneDNN will use (dnnl_cpu_isa_t), or a negative number.
inline int open(const char* path) {
  void* file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!file) return -1;
#define ELMO_FIND(name)                                                                          \
  library.name = reinterpret_cast<decltype(library.name)>(dlsym(file, "dnnl_" #name)); \
  if (!library.name) return -2;
  ELMO_FIND(engine_create)
  ELMO_FIND(stream_create)
  ELMO_FIND(stream_destroy)
  ELMO_FIND(memory_desc_create_with_strides)
  ELMO_FIND(memory_desc_create_with_tag)
  ELMO_FIND(memory_desc_clone)
  ELMO_FIND(memory_desc_destroy)
  ELMO_FIND(memory_desc_get_size)
  ELMO_FIND(memory_create)
  ELMO_FIND(memory_set_data_handle)
  ELMO_FIND(memory_destroy)
  ELMO_FIND(primitive_attr_create)
  ELMO_FIND(primitive_attr_set_scratchpad_mode)
  ELMO_FIND(primitive_attr_destroy)
  ELMO_FIND(matmul_primitive_desc_create)
  ELMO_FIND(reorder_primitive_desc_create)
  ELMO_FIND(primitive_desc_query_md)
  ELMO_FIND(primitive_desc_destroy)
  ELMO_FIND(primitive_create)
  ELMO_FIND(primitive_execute)
  ELMO_FIND(primitive_destroy)
  ELMO_FIND(get_effective_cpu_isa)
#undef ELMO_FIND
  if (library.engine_create(&library.engine, kCpu, 0)) return -3;
  return library.isa = library.get_effective_cpu_isa();
}

inline bool available() { return library.engine != nullptr; }

template <class S>
constexpr int type_of() {
  return sizeof(S) == 2 ? 2 : 3;  // dnnl_bf16, dnnl_f32
}

// c [m, n], float32, = a [m, k] times b [k, n]. Rows lie `lda` apart, or columns where a matrix is transposed.
struct Shape {
  Index m, n, k, lda, ldb, ldc;
  bool transposed_a, transposed_b, packed_b;
  bool alone;  // in a thread of several that are at work: then on this thread only
  int type;
  bool operator<(const Shape& other) const { return key() < other.key(); }
  std::tuple<Index, Index, Index, Index, Index, Index, bool, bool, bool, bool, int> key() const {
    return {m, n, k, lda, ldb, ldc, transposed_a, transposed_b, packed_b, alone, type};
  }
};

inline Handle matrix(Index rows, Index columns, Index distance, bool transposed, int type) {
  if (rows == 1 && distance == 1) {  // with strides of 1 and 1 oneDNN 3.6 multiplies nothing, without a word
    distance = columns;
    transposed = false;
  }
  const Index dims[12] = {rows, columns}, strides[12] = {transposed ? 1 : distance, transposed ? distance : 1};
  Handle described = nullptr;
  ok(library.memory_desc_create_with_strides(&described, 2, dims, type, strides));
  return described;
}

// In which order a packed [k, n] lies in memory: oneDNN's choice, once for all numbers of rows.
inline Handle packed_format(Index n, Index k, int type) {
  static std::mutex lock;
  static std::map<std::tuple<Index, Index, int>, Handle> known;
  const std::lock_guard<std::mutex> guard(lock);
  Handle& format = known[{n, k, type}];
  if (format) return format;
  const Index dims[12] = {k, n};
  Handle a = matrix(32, k, k, false, type), c = matrix(32, n, n, false, 3), b = nullptr, made = nullptr;
  if (ok(library.memory_desc_create_with_tag(&b, 2, dims, type, kAnyFormat)) &&
      ok(library.matmul_primitive_desc_create(&made, library.engine, a, b, nullptr, c, nullptr))) {
    ok(library.memory_desc_clone(&format, library.primitive_desc_query_md(made, kQueryWeights, 0)));
    library.primitive_desc_destroy(made);
  }
  for (Handle each : {a, b, c}) library.memory_desc_destroy(each);
  return format;
}

// What a thread keeps: its stream, the primitives that it has made, and room for them to work in.
class Thread {
 public:
  ~Thread() {
    clear();
    if (stream_) library.stream_destroy(stream_);
  }

  void multiply(const Shape& shape, const void* a, const void* b, float* c) {
    const Primitive* made = find(shape);
    if (!made) return;
    if (scratchpad_.size() < made->room + 64) scratchpad_.resize(made->room + 64);
    void* room = reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(scratchpad_.data()) + 63) / 64 * 64);
    library.memory_set_data_handle(made->memories[0], const_cast<void*>(a));
    library.memory_set_data_handle(made->memories[1], const_cast<void*>(b));
    library.memory_set_data_handle(made->memories[2], c);
    library.memory_set_data_handle(made->memories[3], room);
    const Argument arguments[] = {{kSource, made->memories[0]},
                                  {kWeights, made->memories[1]},
                                  {kResult, made->memories[2]},
                                  {kScratchpad, made->memories[3]}};
    ok(library.primitive_execute(made->primitive, stream_, 4, arguments));
  }

  // Puts a plain matrix into the packed order.
  void pack(Handle plain, Handle packed, const void* from, void* to) {
    Handle made = nullptr, reorder = nullptr, memories[2] = {};
    if (stream() && ok(library.reorder_primitive_desc_create(&made, plain, library.engine, packed, library.engine, nullptr)) &&
        ok(library.primitive_create(&reorder, made)) &&
        ok(library.memory_create(&memories[0], plain, library.engine, const_cast<void*>(from))) &&
        ok(library.memory_create(&memories[1], packed, library.engine, to))) {
      const Argument arguments[] = {{kSource, memories[0]}, {kResult, memories[1]}};
      ok(library.primitive_execute(reorder, stream_, 2, arguments));
    }
    for (Handle memory : memories)
      if (memory) library.memory_destroy(memory);
    if (reorder) library.primitive_destroy(reorder);
    if (made) library.primitive_desc_destroy(made);
  }

 private:
  struct Primitive {
    Handle primitive = nullptr, memories[4] = {};
    std::size_t room = 0;
  };

  Handle stream() {
    if (!stream_) ok(library.stream_create(&stream_, library.engine, kInOrder));
    return stream_;
  }

  const Primitive* find(const Shape& shape) {
    const auto found = primitives_.find(shape);
    if (found != primitives_.end()) return &found->second;
    if (primitives_.size() >= 512) clear();  // sentences come in many lengths
    Primitive made;
    Handle attributes = nullptr, described = nullptr;
    Handle descriptions[4] = {matrix(shape.m, shape.k, shape.lda, shape.transposed_a, shape.type),
                              shape.packed_b ? packed_format(shape.n, shape.k, shape.type)
                                             : matrix(shape.k, shape.n, shape.ldb, shape.transposed_b, shape.type),
                              matrix(shape.m, shape.n, shape.ldc, false, 3)};
    bool whole = stream() && ok(library.primitive_attr_create(&attributes)) &&
                 ok(library.primitive_attr_set_scratchpad_mode(attributes, kUserScratchpad)) &&
                 ok(library.matmul_primitive_desc_create(&described, library.engine, descriptions[0], descriptions[1],
                                                         nullptr, descriptions[2], attributes));
    if (whole) {
      descriptions[3] = library.primitive_desc_query_md(described, kQueryScratchpad, 0);
      made.room = library.memory_desc_get_size(descriptions[3]);
      whole = ok(library.primitive_create(&made.primitive, described));
      for (int i = 0; i < 4 && whole; ++i)
        whole = ok(library.memory_create(&made.memories[i], descriptions[i], library.engine, nullptr));
    }
    library.memory_desc_destroy(descriptions[0]);
    if (!shape.packed_b) library.memory_desc_destroy(descriptions[1]);
    library.memory_desc_destroy(descriptions[2]);
    if (attributes) library.primitive_attr_destroy(attributes);
    if (described) library.primitive_desc_destroy(described);
    if (!whole) {
      destroy(made);
      return nullptr;
    }
    return &(primitives_[shape] = made);
  }

  static void destroy(Primitive& made) {
    for (Handle memory : made.memories)
      if (memory) library.memory_destroy(memory);
    if (made.primitive) library.primitive_destroy(made.primitive);
  }

  void clear() {
    for (auto& each : primitives_) destroy(each.second);
    primitives_.clear();
  }

  Handle stream_ = nullptr;
  std::map<Shape, Primitive> primitives_;
  std::vector<char> scratchpad_;
};

inline Thread& this_thread() {
  thread_local Thread kept;
  return kept;
}

// c = a b on all threads; the matrices lie whole in memory, row after row, and are [k, m] and [n, k] where transposed.
inline void product(Index m, Index n, Index k, const Bf16* a, bool transposed_a, const Bf16* b, bool transposed_b,
                    float* c) {
  const Shape shape{m, n, k, transposed_a ? m : k, transposed_b ? k : n, n, transposed_a, transposed_b,
                    false, false, type_of<Bf16>()};
  this_thread().multiply(shape, a, b, c);
}

}  // namespace onednn

// A matrix [depth, columns] that many rows are to be multiplied with: packed once, used by all threads.
template <class T, class S>
class Weights {  // T and S are one type: our own products
 public:
  // Element (k, n) lies at source[k * row_step + n * column_step]; one of the steps is 1.
  Weights(const T* source, Index depth, Index columns, Index row_step, Index column_step, int threads)
      : depth_(depth), columns_(columns), packed_(pack(source, depth, columns, row_step, column_step, threads)) {}

  // c [rows, padded columns] = a [rows, depth] times this; several threads at a time may call it.
  void multiply(Index rows, const S* a, Index a_pitch, T* c, Index c_pitch) const {
    ::multiply(rows, depth_, columns_, a, a_pitch, packed_, c, c_pitch);
  }

 private:
  Index depth_, columns_;
  std::vector<T> packed_;
};

// The same by oneDNN, with factors of type S.
template <class S>
class PackedWeights {
 public:
  PackedWeights(const float* source, Index depth, Index columns, Index row_step, Index column_step, int threads)
      : depth_(depth), columns_(columns), alone_(threads > 1) {
    const bool transposed = row_step == 1 && depth > 1;
    const Index count = depth * columns, block = 1 << 15;
    std::vector<S> plain(count);
    for_each((count + block - 1) / block, threads, [&](Index i) {
      convert(plain.data() + i * block, source + i * block, std::min(block, count - i * block));
    });
    const auto format = onednn::packed_format(columns, depth, onednn::type_of<S>());
    if (!format) return;
    packed_.resize(onednn::library.memory_desc_get_size(format) + 64);
    const auto from =
        onednn::matrix(depth, columns, transposed ? column_step : row_step, transposed, onednn::type_of<S>());
    onednn::this_thread().pack(from, format, plain.data(), data());
    onednn::library.memory_desc_destroy(from);
  }

  void multiply(Index rows, const S* a, Index a_pitch, float* c, Index c_pitch) const {
    if (packed_.empty()) return;
    const onednn::Shape shape{rows,  columns_, depth_, a_pitch, 0, c_pitch, false, false, true, alone_,
                              onednn::type_of<S>()};
    onednn::this_thread().multiply(shape, a, data(), c);
  }

 private:
  void* data() const {
    return reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(packed_.data()) + 63) / 64 * 64);
  }

  Index depth_, columns_;
  bool alone_;
  std::vector<char> packed_;
};

template <>
class Weights<float, Bf16> : public PackedWeights<Bf16> {
  using PackedWeights<Bf16>::PackedWeights;
};

}  // namespace
