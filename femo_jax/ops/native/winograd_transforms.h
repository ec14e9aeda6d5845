// Winograd's transforms of tiles, over channels that lie side by side in memory.
#pragma once

#include <cstdint>

namespace femo {

// Pictures in memory, and the tiles that are read from them or written to them. Pixels outside of a picture are 0 when
// read, and left out when written.
struct Tiles {
  float* pictures;
  int64_t height, width, channels;
  int64_t image_stride, row_stride, column_stride;  // in numbers; negative for a kernel that is turned
  int64_t rows, columns;                            // tiles of a picture
  int64_t step;                                     // pixels from a tile to the next
  int64_t top, left;                                // of the first tile; negative within the padding
  int64_t count;                                    // over all pictures
};

// What is done with each tile, by the number of results a tile has along an axis: 3 or 4.
enum class Transform {
  kInput,           // a tile of a picture -> places
  kKernel,          // a kernel -> places
  kOutput,          // places -> results
  kOutputGradient,  // the gradient of results -> places: the transpose of kOutput
  kKernelGradient,  // places -> gradient of a kernel: the transpose of kKernel
};

// Numbers from a place to the next: a little more than the tiles need, so that the places of a tile do not all fall
// into the same lines of a cache.
inline int64_t place_stride(int64_t tiles, int64_t channels) { return tiles * channels + 16; }

// Reads tiles and writes them, transformed, to `[places, count, channels]`; or the other way for kOutput and
// kKernelGradient. Spread over the cores.
void transform_tiles(Transform transform, int64_t size, const Tiles& tiles, float* places);

// Whether this processor has the instructions that the transforms are compiled for.
bool has_winograd_instructions();

}  // namespace femo
