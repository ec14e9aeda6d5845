// Batch normalisation over n, h and w in training, forward and backward, optionally with a fused ReLU.
//
// Activations are `[n, h, w, c]` float32 or bfloat16; scale, shift, mean and variance are `[c]` float32. With ReLU,
// oneDNN stores in a workspace which outputs are above zero.
#include <cstring>

#include "common.h"

namespace femo {

namespace {

using dnnl::batch_normalization_backward;
using dnnl::batch_normalization_forward;
using dnnl::normalization_flags;
using Desc = dnnl::memory::desc;

normalization_flags flags_of(bool relu) {
  const normalization_flags flags = normalization_flags::use_scale | normalization_flags::use_shift;
  return relu ? flags | normalization_flags::fuse_norm_relu : flags;
}

batch_normalization_forward::primitive_desc forward_desc(const Desc& activation, float epsilon, bool relu) {
  return {cpu(), dnnl::prop_kind::forward_training, activation, activation, epsilon, flags_of(relu), caller_scratch()};
}

batch_normalization_backward::primitive_desc backward_desc(const Desc& activation, float epsilon, bool relu) {
  return {cpu(),
          dnnl::prop_kind::backward,
          activation,
          activation,
          activation,
          epsilon,
          flags_of(relu),
          forward_desc(activation, epsilon, relu),
          caller_scratch()};
}

struct Compiled {
  dnnl::primitive primitive;
  Desc activation, channels, workspace, scratchpad;
};

template <typename MakeDesc>
const Compiled& compiled(Cache<Compiled>& cache, MakeDesc make_desc, const ffi::AnyBuffer& src, float epsilon,
                         bool relu) {
  int32_t bits;
  std::memcpy(&bits, &epsilon, sizeof bits);
  const Dims dims = activation_dims(src);
  std::vector<int64_t> key{static_cast<int64_t>(type_of(src)), bits, relu};
  append(key, dims);
  return cache.get(std::move(key), [&]() -> Compiled {
    const Desc activation = channels_last(dims, type_of(src));
    const auto desc = make_desc(activation, epsilon, relu);
    return {dnnl::primitive(desc.get()), activation, vector_desc(dims[1]), desc.workspace_desc(),
            desc.scratchpad_desc()};
  });
}

ffi::Error forward(ffi::AnyBuffer src, ffi::AnyBuffer scale, ffi::AnyBuffer shift, ffi::Result<ffi::AnyBuffer> dst,
                   ffi::Result<ffi::AnyBuffer> mean, ffi::Result<ffi::AnyBuffer> variance,
                   ffi::Result<ffi::AnyBuffer> workspace, float epsilon, bool relu) {
  return run("batch normalisation", [&] {
    static Cache<Compiled> cache;
    const Compiled& norm = compiled(cache, forward_desc, src, epsilon, relu);
    if (norm.workspace.get_size() > workspace->size_bytes()) throw std::invalid_argument("the workspace is too small");
    norm.primitive.execute(queue(), {{DNNL_ARG_SRC, view(norm.activation, src)},
                                     {DNNL_ARG_SCALE, view(norm.channels, scale)},
                                     {DNNL_ARG_SHIFT, view(norm.channels, shift)},
                                     {DNNL_ARG_DST, view(norm.activation, *dst)},
                                     {DNNL_ARG_MEAN, view(norm.channels, *mean)},
                                     {DNNL_ARG_VARIANCE, view(norm.channels, *variance)},
                                     {DNNL_ARG_WORKSPACE, view(norm.workspace, *workspace)},
                                     {DNNL_ARG_SCRATCHPAD, scratch(Use::kScratchpad, norm.scratchpad)}});
  });
}

ffi::Error backward(ffi::AnyBuffer src, ffi::AnyBuffer mean, ffi::AnyBuffer variance, ffi::AnyBuffer diff_dst,
                    ffi::AnyBuffer scale, ffi::AnyBuffer workspace, ffi::Result<ffi::AnyBuffer> diff_src,
                    ffi::Result<ffi::AnyBuffer> diff_scale, ffi::Result<ffi::AnyBuffer> diff_shift, float epsilon,
                    bool relu) {
  return run("gradient of a batch normalisation", [&] {
    static Cache<Compiled> cache;
    const Compiled& norm = compiled(cache, backward_desc, src, epsilon, relu);
    norm.primitive.execute(queue(), {{DNNL_ARG_SRC, view(norm.activation, src)},
                                     {DNNL_ARG_MEAN, view(norm.channels, mean)},
                                     {DNNL_ARG_VARIANCE, view(norm.channels, variance)},
                                     {DNNL_ARG_DIFF_DST, view(norm.activation, diff_dst)},
                                     {DNNL_ARG_SCALE, view(norm.channels, scale)},
                                     {DNNL_ARG_WORKSPACE, view(norm.workspace, workspace)},
                                     {DNNL_ARG_DIFF_SRC, view(norm.activation, *diff_src)},
                                     {DNNL_ARG_DIFF_SCALE, view(norm.channels, *diff_scale)},
                                     {DNNL_ARG_DIFF_SHIFT, view(norm.channels, *diff_shift)},
                                     {DNNL_ARG_SCRATCHPAD, scratch(Use::kScratchpad, norm.scratchpad)}});
  });
}

}  // namespace

// Bytes of the workspace of an activation `[n, h, w, c]`; -1 if oneDNN reports an error.
extern "C" int64_t BatchNormalizationWorkspace(int64_t n, int64_t h, int64_t w, int64_t c, bool bfloat16, bool relu) {
  try {
    const auto type = bfloat16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
    const Desc activation = channels_last({n, c, h, w}, type);
    return static_cast<int64_t>(forward_desc(activation, 1e-5f, relu).workspace_desc().get_size());
  } catch (const dnnl::error&) {
    return -1;
  }
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(BatchNormalizationForward, forward,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<float>("epsilon")
                                  .Attr<bool>("relu"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(BatchNormalizationBackward, backward,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<float>("epsilon")
                                  .Attr<bool>("relu"));

}  // namespace femo
