#include "common.h"

#include <cstdlib>
#include <new>
#include <stdexcept>

namespace femo {

namespace {

// A block of aligned memory that only grows.
class Block {
 public:
  void* at_least(std::size_t size) {
    if (size > size_) {
      const std::size_t rounded = (size + kAlignment - 1) / kAlignment * kAlignment;
      memory_.reset(std::aligned_alloc(kAlignment, rounded));
      size_ = memory_ ? rounded : 0;
      if (!memory_) throw std::bad_alloc();
    }
    return memory_.get();
  }

 private:
  static constexpr std::size_t kAlignment = 4096;
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
  std::size_t size_ = 0;
};

}  // namespace

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& queue() {
  static thread_local dnnl::stream stream(cpu());
  return stream;
}

dnnl::memory::data_type type_of(const ffi::AnyBuffer& buffer) {
  switch (buffer.element_type()) {
    case ffi::DataType::F32:
      return dnnl::memory::data_type::f32;
    case ffi::DataType::BF16:
      return dnnl::memory::data_type::bf16;
    case ffi::DataType::U8:
      return dnnl::memory::data_type::u8;
    default:
      throw std::invalid_argument("expected float32 or bfloat16");
  }
}

Dims activation_dims(const ffi::AnyBuffer& buffer) {
  const auto nhwc = buffer.dimensions();
  if (nhwc.size() != 4) throw std::invalid_argument("expected four axes: n, h, w, c");
  return {nhwc[0], nhwc[3], nhwc[1], nhwc[2]};
}

dnnl::memory::desc channels_last(const Dims& dims, dnnl::memory::data_type type) {
  return {dims, type, dnnl::memory::format_tag::nhwc};
}

dnnl::memory::desc vector_desc(int64_t length) {
  return {{length}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::a};
}

dnnl::primitive_attr caller_scratch() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

dnnl::memory view(const dnnl::memory::desc& desc, const ffi::AnyBuffer& buffer) {
  return {desc, cpu(), buffer.untyped_data()};
}

dnnl::memory scratch(Use use, const dnnl::memory::desc& desc) {
  static thread_local Block blocks[static_cast<int>(Use::kCount)];
  return {desc, cpu(), blocks[static_cast<int>(use)].at_least(desc.get_size())};
}

void append(std::vector<int64_t>& key, const Dims& dims) { key.insert(key.end(), dims.begin(), dims.end()); }

}  // namespace femo
