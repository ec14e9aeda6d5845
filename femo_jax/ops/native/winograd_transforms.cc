#include "winograd_transforms.h"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <cstring>

// AVX2 and FMA are enabled per function, not for the whole extension, which also runs without them.
#define FEMO_INLINE inline __attribute__((always_inline))
#define FEMO_AVX2 __attribute__((target("avx2,fma")))

namespace femo {

namespace {

constexpr int kLanes = 8;
typedef float Vector __attribute__((vector_size(kLanes * sizeof(float))));

// Channels per task, so that a kernel, which is a single tile, is also divided among tasks.
constexpr int64_t kTaskChannels = 512;
constexpr int64_t kTilesATask = 16;

// The matrices, from the interpolation points 0, 1, -1, 2 (and -2) and infinity. A tile x becomes L x L'.
struct Input3 {
  static constexpr int kRows = 5, kColumns = 5;
  static constexpr float kAt[5][5] = {
      {2, -1, -2, 1, 0}, {0, -2, -1, 1, 0}, {0, 2, -3, 1, 0}, {0, -1, 0, 1, 0}, {0, 2, -1, -2, 1}};
};

struct Kernel3 {
  static constexpr int kRows = 5, kColumns = 3;
  static constexpr float kAt[5][3] = {{1.f / 2, 0, 0},
                                      {-1.f / 2, -1.f / 2, -1.f / 2},
                                      {-1.f / 6, 1.f / 6, -1.f / 6},
                                      {1.f / 6, 1.f / 3, 2.f / 3},
                                      {0, 0, 1}};
};

struct Output3 {
  static constexpr int kRows = 3, kColumns = 5;
  static constexpr float kAt[3][5] = {{1, 1, 1, 1, 0}, {0, 1, -1, 2, 0}, {0, 1, 1, 4, 1}};
};

struct Input4 {
  static constexpr int kRows = 6, kColumns = 6;
  static constexpr float kAt[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                      {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
};

struct Kernel4 {
  static constexpr int kRows = 6, kColumns = 3;
  static constexpr float kAt[6][3] = {{1.f / 4, 0, 0},
                                      {-1.f / 6, -1.f / 6, -1.f / 6},
                                      {-1.f / 6, 1.f / 6, -1.f / 6},
                                      {1.f / 24, 1.f / 12, 1.f / 6},
                                      {1.f / 24, -1.f / 12, 1.f / 6},
                                      {0, 0, 1}};
};

struct Output4 {
  static constexpr int kRows = 4, kColumns = 6;
  static constexpr float kAt[4][6] = {
      {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};
};

template <typename Matrix>
struct Transposed {
  static constexpr int kRows = Matrix::kColumns, kColumns = Matrix::kRows;
  static constexpr float at(int row, int column) { return Matrix::kAt[column][row]; }
};

template <typename Matrix>
struct Plain {
  static constexpr int kRows = Matrix::kRows, kColumns = Matrix::kColumns;
  static constexpr float at(int row, int column) { return Matrix::kAt[row][column]; }
};

// Adds a matrix entry times an element to `sum`; no instruction if the entry is 0.
template <typename Matrix, int row, int column>
FEMO_INLINE void add_entry(Vector& sum, const Vector* in, int stride) {
  constexpr float factor = Matrix::at(row, column);
  if constexpr (factor == 1.f) {
    sum += in[column * stride];
  } else if constexpr (factor == -1.f) {
    sum -= in[column * stride];
  } else if constexpr (factor != 0.f) {
    sum += factor * in[column * stride];
  }
  if constexpr (column + 1 < Matrix::kColumns) add_entry<Matrix, row, column + 1>(sum, in, stride);
}

// The matrix times a vector whose elements are `in_stride` apart.
template <typename Matrix, int row = 0>
FEMO_INLINE void multiply(const Vector* in, int in_stride, Vector* out, int out_stride) {
  Vector sum = {};
  add_entry<Matrix, row, 0>(sum, in, in_stride);
  out[row * out_stride] = sum;
  if constexpr (row + 1 < Matrix::kRows) multiply<Matrix, row + 1>(in, in_stride, out, out_stride);
}

// L x L'.
template <typename Matrix>
FEMO_INLINE void sandwich(const Vector* in, Vector* out) {
  constexpr int rows = Matrix::kRows, columns = Matrix::kColumns;
  Vector half[rows * columns];
  for (int column = 0; column < columns; ++column) multiply<Matrix>(in + column, columns, half + column, columns);
  for (int row = 0; row < rows; ++row) multiply<Matrix>(half + row * columns, 1, out + row * rows, 1);
}

FEMO_INLINE void load(Vector& vector, const float* from, int64_t lanes) {
  if (lanes == kLanes) {
    std::memcpy(&vector, from, sizeof(vector));
  } else {
    vector = Vector{};
    std::memcpy(&vector, from, lanes * sizeof(float));
  }
}

FEMO_INLINE void store(const Vector& vector, float* to, int64_t lanes) {
  std::memcpy(to, &vector, lanes == kLanes ? sizeof(vector) : lanes * sizeof(float));
}

// One tile, channels `from` to `to`.
template <typename Matrix, bool to_places>
FEMO_AVX2 void transform_one(const Tiles& tiles, float* places, int64_t tile, int64_t from, int64_t to) {
  constexpr int side = to_places ? Matrix::kColumns : Matrix::kRows;  // of a tile in the images
  constexpr int places_side = to_places ? Matrix::kRows : Matrix::kColumns;
  const int64_t stride = place_stride(tiles.count, tiles.channels);
  const int64_t column = tile % tiles.columns, row = tile / tiles.columns % tiles.rows;
  const int64_t y = tiles.top + row * tiles.step, x = tiles.left + column * tiles.step;
  float* const image = tiles.data + tile / (tiles.columns * tiles.rows) * tiles.image_stride;
  float* const own = places + tile * tiles.channels;
  const int64_t y_first = std::max<int64_t>(0, -y), y_last = std::min<int64_t>(side, tiles.height - y);
  const int64_t x_first = std::max<int64_t>(0, -x), x_last = std::min<int64_t>(side, tiles.width - x);
  for (int64_t channel = from; channel < to; channel += kLanes) {
    const int64_t lanes = std::min<int64_t>(kLanes, to - channel);
    Vector in[Matrix::kColumns * Matrix::kColumns], out[Matrix::kRows * Matrix::kRows];
    if constexpr (to_places) {
      if (y_last - y_first != side || x_last - x_first != side) std::memset(in, 0, sizeof(in));
      for (int64_t i = y_first; i < y_last; ++i) {
        for (int64_t j = x_first; j < x_last; ++j) {
          load(in[i * side + j], image + (y + i) * tiles.row_stride + (x + j) * tiles.column_stride + channel, lanes);
        }
      }
      sandwich<Matrix>(in, out);
      for (int i = 0; i < places_side * places_side; ++i) store(out[i], own + i * stride + channel, lanes);
    } else {
      for (int i = 0; i < places_side * places_side; ++i) load(in[i], own + i * stride + channel, lanes);
      sandwich<Matrix>(in, out);
      for (int64_t i = y_first; i < y_last; ++i) {
        for (int64_t j = x_first; j < x_last; ++j) {
          store(out[i * side + j], image + (y + i) * tiles.row_stride + (x + j) * tiles.column_stride + channel,
                lanes);
        }
      }
    }
  }
}

template <typename Matrix, bool to_places>
void transform_all(const Tiles& tiles, float* places) {
  const int64_t parts = (tiles.channels + kTaskChannels - 1) / kTaskChannels;
  using Range = tbb::blocked_range<int64_t>;
  tbb::parallel_for(Range(0, tiles.count * parts, kTilesATask), [&](const Range& range) {
    for (int64_t task = range.begin(); task < range.end(); ++task) {
      const int64_t from = task % parts * kTaskChannels;
      transform_one<Matrix, to_places>(tiles, places, task / parts, from,
                                       std::min(tiles.channels, from + kTaskChannels));
    }
  });
}

template <typename Input, typename Kernel, typename Output>
void transform_by(Transform transform, const Tiles& tiles, float* places) {
  switch (transform) {
    case Transform::kInput:
      return transform_all<Plain<Input>, true>(tiles, places);
    case Transform::kKernel:
      return transform_all<Plain<Kernel>, true>(tiles, places);
    case Transform::kOutput:
      return transform_all<Plain<Output>, false>(tiles, places);
    case Transform::kOutputGradient:
      return transform_all<Transposed<Output>, true>(tiles, places);
    case Transform::kKernelGradient:
      return transform_all<Transposed<Kernel>, false>(tiles, places);
  }
}

}  // namespace

void transform_tiles(Transform transform, int64_t size, const Tiles& tiles, float* places) {
  if (size == 3) {
    transform_by<Input3, Kernel3, Output3>(transform, tiles, places);
  } else {
    transform_by<Input4, Kernel4, Output4>(transform, tiles, places);
  }
}

bool has_winograd_instructions() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

}  // namespace femo
