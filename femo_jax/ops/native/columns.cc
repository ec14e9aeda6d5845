#include "columns.h"

#include <cstring>

namespace femo {

namespace {

using Desc = dnnl::memory::desc;
using dnnl::matmul;
using dnnl::reorder;

constexpr int64_t kSmallImage = 4 * 4;
constexpr int64_t kManyChannels = 64;

}  // namespace

bool faster_by_columns(const Convolution& conv) {
  return conv.type == dnnl::memory::data_type::bf16 && conv.weights[0] == 1 && conv.src[1] >= kManyChannels &&
         conv.dst[2] * conv.dst[3] <= kSmallImage;
}

ColumnsWeightGradient::ColumnsWeightGradient(const Convolution& conv) {
  const int64_t n = conv.src[0], c = conv.src[1], h = conv.src[2], w = conv.src[3];
  const int64_t o = conv.dst[1], rows = conv.dst[2], columns = conv.dst[3];
  const int64_t kernel_h = conv.weights[3], kernel_w = conv.weights[4];
  const int64_t padded_h = conv.before[0] + h + conv.after[0], padded_w = conv.before[1] + w + conv.after[1];
  const int64_t length = kernel_h * kernel_w * c, positions = n * rows * columns;
  const auto strided = [&](int64_t height, int64_t width, Dims strides) {
    return Desc({n, c, height, width}, conv.type, strides);
  };

  is_padded_ = padded_h != h || padded_w != w;
  src_ = channels_last(conv.src, conv.type);
  padded_ = channels_last({n, c, padded_h, padded_w}, conv.type);
  inside_ = strided(h, w, {padded_h * padded_w * c, 1, padded_w * c, c});
  inside_at_ = (conv.before[0] * padded_w + conv.before[1]) * c;
  window_ = strided(rows, columns,
                    {padded_h * padded_w * c, 1, conv.strides[0] * padded_w * c, conv.strides[1] * c});
  column_ = strided(rows, columns, {rows * columns * length, 1, columns * length, length});
  for (int64_t y = 0; y < kernel_h; ++y) {
    for (int64_t x = 0; x < kernel_w; ++x) places_.push_back({(y * padded_w + x) * c, (y * kernel_w + x) * c});
  }
  pad_ = reorder(reorder::primitive_desc(cpu(), src_, cpu(), inside_));
  gather_ = reorder(reorder::primitive_desc(cpu(), window_, cpu(), column_));

  columns_ = Desc({length, positions}, conv.type, Dims{1, length});
  diff_dst_ = Desc({positions, o}, conv.type, Dims{o, 1});
  diff_weights_ = Desc({length, o}, conv.weights_type, Dims{o, 1});
  const matmul::primitive_desc desc(cpu(), columns_, diff_dst_, diff_weights_, caller_scratch());
  scratchpad_ = desc.scratchpad_desc();
  product_ = matmul(desc);
}

dnnl::memory ColumnsWeightGradient::at(const Desc& desc, void* start, int64_t elements) const {
  return {desc, cpu(), static_cast<char*>(start) + elements * dnnl::memory::data_type_size(desc.get_data_type())};
}

void ColumnsWeightGradient::execute(void* src, void* diff_dst, void* diff_weights) const {
  void* padded = src;
  if (is_padded_) {
    padded = scratch(Use::kPadded, padded_).get_data_handle();
    std::memset(padded, 0, padded_.get_size());
    pad_.execute(queue(), {{DNNL_ARG_FROM, at(src_, src, 0)}, {DNNL_ARG_TO, at(inside_, padded, inside_at_)}});
  }
  const dnnl::memory columns = scratch(Use::kColumns, columns_);
  for (const auto& [from, to] : places_) {
    gather_.execute(queue(), {{DNNL_ARG_FROM, at(window_, padded, from)},
                              {DNNL_ARG_TO, at(column_, columns.get_data_handle(), to)}});
  }
  product_.execute(queue(), {{DNNL_ARG_SRC, columns},
                             {DNNL_ARG_WEIGHTS, at(diff_dst_, diff_dst, 0)},
                             {DNNL_ARG_DST, at(diff_weights_, diff_weights, 0)},
                             {DNNL_ARG_SCRATCHPAD, scratch(Use::kScratchpad, scratchpad_)}});
}

}  // namespace femo
