// Winograd's transforms of tiles, with channels contiguous in memory.
#pragma once

#include <cstdint>

namespace femo {

// Images in memory, and the tiles that are read from or written to them. Pixels outside an image are 0 when read, and
// skipped when written.
struct Tiles {
  float* data;
  int64_t height, width, channels;
  int64_t image_stride, row_stride, column_stride;  // in elements; negative for a rotated kernel
  int64_t rows, columns;                            // tiles of an image
  int64_t step;                                     // pixels from one tile to the next
  int64_t top, left;                                // of the first tile; negative within the padding
  int64_t count;                                    // over all images
};

// The transform of each tile; it depends on the number of outputs of a tile along an axis, 3 or 4.
enum class Transform {
  kInput,           // a tile of an image -> places
  kKernel,          // a kernel -> places
  kOutput,          // places -> outputs
  kOutputGradient,  // the gradient of the outputs -> places: the transpose of kOutput
  kKernelGradient,  // places -> gradient of a kernel: the transpose of kKernel
};

// Elements from one place to the next: slightly more than the tiles need, so that the places of a tile do not all map
// to the same cache lines.
inline int64_t place_stride(int64_t tiles, int64_t channels) { return tiles * channels + 16; }

// Reads tiles and writes them, transformed, to `[places, count, channels]`; the reverse for kOutput and
// kKernelGradient. Runs on all cores.
void transform_tiles(Transform transform, int64_t size, const Tiles& tiles, float* places);

// Whether this processor has the instructions that the transforms need.
bool has_winograd_instructions();

}  // namespace femo
