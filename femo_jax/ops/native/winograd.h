// 3x3 convolutions with Winograd's minimal filtering (Lavin and Gray 2015, arXiv:1509.09308).
//
// An image is cut into overlapping tiles. Each tile and the kernel are transformed, so that a convolution becomes an
// element-wise product of transformed tiles; over all tiles and channels that is one matrix product per place (an
// element of a transformed tile). A tile of 3x3 outputs takes 25 multiplications per pair of channels instead of 81,
// one of 4x4 outputs 36 instead of 144. Both gradients use the same transforms: the data gradient is a convolution with
// the kernel rotated by 180 degrees; the weight gradient is the transpose of the whole. The result is exact up to
// rounding, which is slightly larger than that of the direct sum: hence float32 only.
#pragma once

#include "convolution.h"

namespace femo {

// Whether Winograd's algorithm is used for a convolution: float32, 3x3, stride 1, and enough channels on both sides to
// outweigh the transforms. benchmarks/convolution.py measures it from 48 channels on. The environment variable
// FEMO_WINOGRAD=0 disables it.
bool faster_by_winograd(const Convolution& conv);

// The tiles of an image, and the number of images per block.
struct Tiling {
  Tiling(int64_t images, int64_t height, int64_t width, int64_t channels);

  int64_t tiles(int64_t images) const { return images * rows * columns; }

  int64_t size;           // outputs per tile along each axis: 3 or 4
  int64_t places;         // elements of a transformed tile
  int64_t rows, columns;  // tiles of an image
  int64_t block;          // images per block, so that the transformed tiles stay in the cache
};

// One matrix product per place: `[places, m, k]` with `[places, k, n]`, compiled.
class Products {
 public:
  enum class Transposed { kNone, kFirst, kSecond };  // a factor stored as `[k, m]` or `[n, k]`
  Products(int64_t places, int64_t m, int64_t k, int64_t n, Transposed transposed, bool add);
  void execute(float* first, float* second, float* result) const;

 private:
  dnnl::memory::desc first_, second_, result_, scratchpad_;
  dnnl::matmul product_;
};

// The forward pass or the data gradient, compiled.
class WinogradConvolution {
 public:
  enum class Pass { kForward, kBackwardData };
  WinogradConvolution(const Convolution& conv, Pass pass);
  // In the data gradient, `src` is the gradient of the output and `dst` that of the input.
  void execute(const float* src, const float* weights, float* dst) const;

 private:
  Dims src_, dst_;  // n, c, h, w
  Dims before_;     // padding above and left
  bool turned_;
  Tiling tiling_;
  Products product_, last_product_;  // of a block, and of the last one, which may be smaller
};

// The weight gradient, compiled.
class WinogradWeightGradient {
 public:
  explicit WinogradWeightGradient(const Convolution& conv);
  void execute(const float* src, const float* diff_dst, float* diff_weights) const;

 private:
  Dims src_, dst_, before_;
  Tiling tiling_;
  Products product_, last_product_;
};

}  // namespace femo
