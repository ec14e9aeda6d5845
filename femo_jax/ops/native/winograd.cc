#include "winograd.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "winograd_transforms.h"

namespace femo {

namespace {

using Desc = dnnl::memory::desc;
using Type = dnnl::memory::data_type;

constexpr int64_t kFewestChannels = 16;
constexpr int64_t kBlockBytes = 4 << 20;

int64_t parts(int64_t whole, int64_t part) { return (whole + part - 1) / part; }

// Transformed data of a block, per place: kernel `[c, o]`, input tiles `[tiles, c]`, output tiles `[tiles, o]`.
struct Places {
  Places(const Tiling& tiling, int64_t c, int64_t o)
      : kernel_size(tiling.places * place_stride(1, c * o)),
        kernel(floats(Use::kKernelPlaces, kernel_size)),
        in(floats(Use::kInputPlaces, tiling.places * place_stride(tiling.tiles(tiling.block), c))),
        out(floats(Use::kOutputPlaces, tiling.places * place_stride(tiling.tiles(tiling.block), o))) {}

  static float* floats(Use use, int64_t count) {
    return static_cast<float*>(scratch(use, vector_desc(count)).get_data_handle());
  }

  int64_t kernel_size;
  float *kernel, *in, *out;
};

// Tiles of images (n, c, h, w); the first one starts `top` rows above and `left` columns left of the first pixel.
Tiles tiles_of(float* data, const Dims& dims, const Tiling& tiling, int64_t images, int64_t top, int64_t left) {
  const int64_t c = dims[1], h = dims[2], w = dims[3];
  return {data,           h,           w,   c,    h * w * c,           w * c, c, tiling.rows,
          tiling.columns, tiling.size, top, left, tiling.tiles(images)};
}

// A kernel `[3, 3, c, o]` as a single tile with c * o channels, optionally rotated by 180 degrees.
Tiles kernel_tile(float* weights, int64_t channels, bool turned) {
  const int64_t sign = turned ? -1 : 1;
  return {
      weights + (turned ? 8 * channels : 0), 3, 3, channels, 0, sign * 3 * channels, sign * channels, 1, 1, 3, 0, 0, 1};
}

Dims turned_padding(const Dims& before) { return {2 - before[0], 2 - before[1]}; }

// Calls `work(first image, number of images, is_whole_block)` for each block in order.
template <typename Work>
void each_block(int64_t images, int64_t block, Work work) {
  for (int64_t first = 0; first < images; first += block) {
    const int64_t count = std::min(block, images - first);
    work(first, count, count == block);
  }
}

int64_t last_block(int64_t images, int64_t block) { return images % block ? images % block : block; }

}  // namespace

bool faster_by_winograd(const Convolution& conv) {
  static const bool possible = has_winograd_instructions();
  const char* const wish = std::getenv("FEMO_WINOGRAD");
  const auto at_most_two = [](int64_t padding) { return padding <= 2; };
  return possible && !(wish && std::string_view(wish) == "0") && conv.type == Type::f32 &&
         conv.weights_type == Type::f32 && conv.weights[0] == 1 && conv.weights[3] == 3 && conv.weights[4] == 3 &&
         conv.strides == Dims{1, 1} && std::all_of(conv.before.begin(), conv.before.end(), at_most_two) &&
         conv.src[0] > 0 && conv.dst[2] > 0 && conv.dst[3] > 0 && std::min(conv.src[1], conv.dst[1]) >= kFewestChannels;
}

Tiling::Tiling(int64_t images, int64_t height, int64_t width, int64_t channels) {
  const auto multiplications = [&](int64_t size) {
    return parts(height, size) * parts(width, size) * (size + 2) * (size + 2);
  };
  size = multiplications(3) < multiplications(4) ? 3 : 4;
  places = (size + 2) * (size + 2);
  rows = parts(height, size);
  columns = parts(width, size);
  const int64_t bytes = rows * columns * places * channels * static_cast<int64_t>(sizeof(float));
  block = std::clamp<int64_t>(kBlockBytes / bytes, 1, images);
}

Products::Products(int64_t places, int64_t m, int64_t k, int64_t n, Transposed transposed, bool add)
    : first_({places, m, k}, Type::f32,
             transposed == Transposed::kFirst ? Dims{place_stride(k, m), 1, m} : Dims{place_stride(m, k), k, 1}),
      second_({places, k, n}, Type::f32,
              transposed == Transposed::kSecond ? Dims{place_stride(n, k), 1, k} : Dims{place_stride(k, n), n, 1}),
      result_({places, m, n}, Type::f32, Dims{place_stride(m, n), n, 1}) {
  dnnl::primitive_attr attributes = caller_scratch();
  if (add) {
    dnnl::post_ops after;
    after.append_sum(1.0f);
    attributes.set_post_ops(after);
  }
  const dnnl::matmul::primitive_desc desc(cpu(), first_, second_, result_, attributes);
  scratchpad_ = desc.scratchpad_desc();
  product_ = dnnl::matmul(desc);
}

void Products::execute(float* first, float* second, float* result) const {
  product_.execute(queue(), {{DNNL_ARG_SRC, {first_, cpu(), first}},
                             {DNNL_ARG_WEIGHTS, {second_, cpu(), second}},
                             {DNNL_ARG_DST, {result_, cpu(), result}},
                             {DNNL_ARG_SCRATCHPAD, scratch(Use::kScratchpad, scratchpad_)}});
  queue().wait();
}

WinogradConvolution::WinogradConvolution(const Convolution& conv, Pass pass)
    : src_(pass == Pass::kForward ? conv.src : conv.dst),
      dst_(pass == Pass::kForward ? conv.dst : conv.src),
      before_(pass == Pass::kForward ? conv.before : turned_padding(conv.before)),
      turned_(pass == Pass::kBackwardData),
      tiling_(dst_[0], dst_[2], dst_[3], src_[1] + dst_[1]),
      product_(tiling_.places, tiling_.tiles(tiling_.block), src_[1], dst_[1],
               turned_ ? Products::Transposed::kSecond : Products::Transposed::kNone, false),
      last_product_(tiling_.places, tiling_.tiles(last_block(dst_[0], tiling_.block)), src_[1], dst_[1],
                    turned_ ? Products::Transposed::kSecond : Products::Transposed::kNone, false) {}

void WinogradConvolution::execute(const float* src, const float* weights, float* dst) const {
  const int64_t c = src_[1], o = dst_[1];
  const Places places(tiling_, c, o);
  transform_tiles(Transform::kKernel, tiling_.size, kernel_tile(const_cast<float*>(weights), c * o, turned_),
                  places.kernel);
  each_block(dst_[0], tiling_.block, [&](int64_t first, int64_t images, bool whole) {
    float* const from = const_cast<float*>(src) + first * src_[1] * src_[2] * src_[3];
    transform_tiles(Transform::kInput, tiling_.size, tiles_of(from, src_, tiling_, images, -before_[0], -before_[1]),
                    places.in);
    (whole ? product_ : last_product_).execute(places.in, places.kernel, places.out);
    float* const to = dst + first * dst_[1] * dst_[2] * dst_[3];
    transform_tiles(Transform::kOutput, tiling_.size, tiles_of(to, dst_, tiling_, images, 0, 0), places.out);
  });
}

WinogradWeightGradient::WinogradWeightGradient(const Convolution& conv)
    : src_(conv.src),
      dst_(conv.dst),
      before_(conv.before),
      tiling_(dst_[0], dst_[2], dst_[3], src_[1] + dst_[1]),
      product_(tiling_.places, src_[1], tiling_.tiles(tiling_.block), dst_[1], Products::Transposed::kFirst, true),
      last_product_(tiling_.places, src_[1], tiling_.tiles(last_block(dst_[0], tiling_.block)), dst_[1],
                    Products::Transposed::kFirst, true) {}

void WinogradWeightGradient::execute(const float* src, const float* diff_dst, float* diff_weights) const {
  const int64_t c = src_[1], o = dst_[1];
  const Places places(tiling_, c, o);
  std::fill_n(places.kernel, places.kernel_size, 0.0f);
  each_block(dst_[0], tiling_.block, [&](int64_t first, int64_t images, bool whole) {
    float* const from = const_cast<float*>(src) + first * src_[1] * src_[2] * src_[3];
    transform_tiles(Transform::kInput, tiling_.size, tiles_of(from, src_, tiling_, images, -before_[0], -before_[1]),
                    places.in);
    float* const gradient = const_cast<float*>(diff_dst) + first * dst_[1] * dst_[2] * dst_[3];
    transform_tiles(Transform::kOutputGradient, tiling_.size, tiles_of(gradient, dst_, tiling_, images, 0, 0),
                    places.out);
    (whole ? product_ : last_product_).execute(places.in, places.out, places.kernel);
  });
  transform_tiles(Transform::kKernelGradient, tiling_.size, kernel_tile(diff_weights, c * o, false), places.kernel);
}

}  // namespace femo
