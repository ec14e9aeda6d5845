// What the primitives share: oneDNN's engine, conversions from XLA's buffers, scratch memory, and a cache.
//
// XLA calls the handlers from several of its own threads, also at the same time. The handlers therefore share nothing
// that is written after it was made, but for the cache, which has a lock. The work itself is spread over the cores by
// oneDNN through TBB, which has one pool for the whole process.
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

// The CPU as oneDNN's engine, and the calling thread's queue of work on it.
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

// Attributes common to all primitives: scratch memory comes from the caller, so that threads can share a primitive.
dnnl::primitive_attr caller_scratch();

// oneDNN's view of a buffer.
dnnl::memory view(const dnnl::memory::desc& desc, const ffi::AnyBuffer& buffer);

// Memory of the calling thread that lasts until the same thread asks for the same use again. It only grows, up to the
// largest primitive, so that a step allocates nothing.
enum class Use { kScratchpad, kPackedWeights, kPadded, kColumns, kKernelPlaces, kInputPlaces, kOutputPlaces, kCount };
dnnl::memory scratch(Use use, const dnnl::memory::desc& desc);

// One primitive and everything made with it, by the numbers that decide what it is. Making one takes milliseconds and
// compiles code: each is made once, by whichever thread comes first.
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

// Runs `work`, waits for it, and turns oneDNN's errors into XLA's.
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
