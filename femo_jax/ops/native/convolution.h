// The parameters of a convolution, for all algorithms.
#pragma once

#include "common.h"

namespace femo {

// The parameters that define a convolution.
struct Convolution {
  Dims src, dst;                 // n, c, h, w
  Dims weights;                  // groups, o / groups, c / groups, h, w
  Dims strides;                  // h, w
  Dims before, after;            // padding above and left, below and right
  dnnl::memory::data_type type;  // of the activations
  dnnl::memory::data_type weights_type;
};

}  // namespace femo
