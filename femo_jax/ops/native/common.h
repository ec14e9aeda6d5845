// Shared by the primitives: oneDNN's engine, conversions from XLA's buffers, scratch memory, and a cache.
//
// XLA calls the handlers from several of its own threads at the same time. The handlers therefore share no mutable
// state except the cache, which has a lock. oneDNN spreads the work over the cores through TBB, which has one thread
// pool for the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace femo {

namespace ffi = xla::ffi;
using Dims = dnnl::memory::dims;
using Numbers = ffi::Span<const int64_t>;

// oneDNN's engine for the CPU, and the calling thread's stream on it.
const dnnl::engine& cpu();
dnnl::stream& queue();

// oneDNN's name for the dtype of a buffer: f32, bf16 or u8.
dnnl::memory::data_type type_of(const ffi::AnyBuffer& buffer);

// `[n, h, w, c]` in the order in which oneDNN names the axes: n, c, h, w.
Dims activation_dims(const ffi::AnyBuffer& buffer);

// A channels-last activation of these axes (n, c, h, w).
dnnl::memory::desc channels_last(const Dims& dims, dnnl::memory::data_type type);

// A vector of `length` float32.
dnnl::memory::desc vector_desc(int64_t length);

// Attributes common to all primitives: the caller provides scratch memory, so that threads can share a primitive.
dnnl::primitive_attr caller_scratch();

// A buffer as oneDNN memory.
dnnl::memory view(const dnnl::memory::desc& desc, const ffi::AnyBuffer& buffer);

// Scratch memory of the calling thread, valid until the same thread requests the same use again. It only grows, up to
// the largest primitive, so that a step allocates nothing.
enum class Use { kScratchpad, kPackedWeights, kPadded, kColumns, kKernelPlaces, kInputPlaces, kOutputPlaces, kCount };
dnnl::memory scratch(Use use, const dnnl::memory::desc& desc);

// Cache of primitives and their buffers, by the numbers that define a primitive. Creating one takes milliseconds and
// compiles code: each is created once, by the first thread that needs it.
template <typename Value>
class Cache {
 public:
  template <typename Make>
  const Value& get(std::vector<int64_t> key, Make make) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::unique_ptr<const Value>& slot = values_[std::move(key)];
    if (!slot) slot = std::make_unique<const Value>(make());
    return *slot;
  }

 private:
  std::mutex mutex_;
  std::map<std::vector<int64_t>, std::unique_ptr<const Value>> values_;
};

// Appends numbers to the key of a cache.
void append(std::vector<int64_t>& key, const Dims& dims);

// Runs `work`, waits for it, and converts oneDNN's errors to XLA's.
template <typename Work>
ffi::Error run(const char* what, Work work) {
  try {
    work();
    queue().wait();
    return ffi::Error::Success();
  } catch (const dnnl::error& error) {
    return ffi::Error::Internal(std::string("oneDNN, ") + what + ": " + error.what());
  } catch (const std::exception& error) {
    return ffi::Error::InvalidArgument(std::string(what) + ": " + error.what());
  }
}

}  // namespace femo
