// 3x3 convolutions with Winograd's minimal filtering (Lavin and Gray 2015, arXiv:1509.09308).
//
// A picture is cut into overlapping tiles. Each tile and the kernel are transformed, so that a convolution becomes a
// product at each of a tile's places; over all tiles and channels that is one matrix product a place. 3x3 results a
// tile take 25 multiplications for each pair of channels instead of 81, 4x4 results 36 instead of 144. Both gradients
// work alike: the data gradient is a convolution with the turned kernel; the weight gradient is the transpose of the
// whole. The transforms are exact but for rounding, which is a little larger than that of the plain sum: hence float32
// alone.
#pragma once

#include "convolution.h"

namespace femo {

// Whether a convolution is one for Winograd's way: float32, 3x3, stride 1, and enough channels on both sides to pay for
// the transforms. benchmarks/convolution.py measures it from 48 channels on. FEMO_WINOGRAD=0 in the
// environment forbids it.
bool faster_by_winograd(const Convolution& conv);

// How pictures are cut into tiles, and how many pictures are worked on at a time.
struct Tiling {
  Tiling(int64_t images, int64_t height, int64_t width, int64_t channels);

  int64_t tiles(int64_t images) const { return images * rows * columns; }

  int64_t size;           // results a tile along each axis: 3 or 4
  int64_t places;         // of a transformed tile
  int64_t rows, columns;  // tiles of a picture
  int64_t block;          // pictures at a time, so that what is transformed stays in the cache
};

// A product at each place: `[places, m, k]` with `[places, k, n]`, compiled.
class Products {
 public:
  enum class Transposed { kNone, kFirst, kSecond };  // a factor that lies in memory as `[k, m]` or `[n, k]`
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
  // `src` is the gradient of the output, and `dst` that of the input, in the data gradient.
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
