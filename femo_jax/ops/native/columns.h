// The weight gradient of a convolution as one matrix product.
//
// Each output pixel's window of the input becomes a row ("im2col", Chellapilla et al. 2006); the gradient is the
// product of these rows, transposed, and the gradient of the output. oneDNN's own weight gradient in bfloat16 reaches a
// third of the speed of its matrix product if images are small and channels many.
#pragma once

#include "convolution.h"

namespace femo {

// Whether the matrix product is faster; measured, see benchmarks.
bool faster_by_columns(const Convolution& conv);

// The weight gradient by im2col, compiled.
class ColumnsWeightGradient {
 public:
  explicit ColumnsWeightGradient(const Convolution& conv);
  void execute(void* src, void* diff_dst, void* diff_weights) const;

 private:
  // A view of memory at an offset in bytes.
  dnnl::memory at(const dnnl::memory::desc& desc, void* start, int64_t elements) const;

  dnnl::memory::desc src_, padded_, inside_, window_, column_, columns_, diff_dst_, diff_weights_, scratchpad_;
  dnnl::reorder pad_, gather_;
  dnnl::matmul product_;
  std::vector<std::pair<int64_t, int64_t>> places_;  // of each kernel pixel: offsets in padded images and in columns
  int64_t inside_at_;
  bool is_padded_;
};

}  // namespace femo
