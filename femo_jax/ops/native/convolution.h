// What a convolution is, for the ways in which one can be carried out.
#pragma once

#include "common.h"

namespace femo {

// Everything that decides what a convolution is.
struct Convolution {
  Dims src, dst;                 // n, c, h, w
  Dims weights;                  // groups, o / groups, c / groups, h, w
  Dims strides;                  // h, w
  Dims before, after;            // padding above and left, below and right
  dnnl::memory::data_type type;  // of the activations
  dnnl::memory::data_type weights_type;
};

}  // namespace femo
